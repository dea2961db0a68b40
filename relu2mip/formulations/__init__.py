"""Formulations: exact mixed-integer encodings of ReLUs and maxima, one a file, written once for all backends."""

from relu2mip.formulations.big_m import BigM
from relu2mip.formulations.encode import Encoding, Formulation, encode

__all__ = ["BigM", "Encoding", "Formulation", "encode"]
