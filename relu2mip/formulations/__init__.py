"""Formulations: mixed-integer encodings of ReLUs and maxima, one a file, written once for all backends."""

from relu2mip.formulations.big_m import BigM
from relu2mip.formulations.complementarity import Complementarity
from relu2mip.formulations.convex_hull import ConvexHull
from relu2mip.formulations.encode import Encoder, Encoding, Formulation, encode
from relu2mip.formulations.ideal import Ideal
from relu2mip.formulations.indicator import Indicator
from relu2mip.formulations.max_constraint import MaxConstraint
from relu2mip.formulations.partition import Partition
from relu2mip.formulations.policy import Policy
from relu2mip.formulations.regions import Regions
from relu2mip.formulations.sos1 import Sos1
from relu2mip.formulations.triangle import Triangle

__all__ = [
    "BigM",
    "Complementarity",
    "ConvexHull",
    "Encoder",
    "Encoding",
    "Formulation",
    "Ideal",
    "Indicator",
    "MaxConstraint",
    "Partition",
    "Policy",
    "Regions",
    "Sos1",
    "Triangle",
    "encode",
]
