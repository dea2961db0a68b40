"""Formulations: mixed-integer encodings of ReLUs and maxima, one a file, written once for all backends."""

from relu2mip.formulations.big_m import BigM
from relu2mip.formulations.encode import Encoder, Encoding, Formulation, encode
from relu2mip.formulations.ideal import Ideal
from relu2mip.formulations.triangle import Triangle

__all__ = ["BigM", "Encoder", "Encoding", "Formulation", "Ideal", "Triangle", "encode"]
