"""Bounds on every unit of a normal form, by methods that stack: each starts from the last one's and intersects."""

from relu2mip.bounds.bounds import BoundMethod, Bounds, Domain, Provenance, compute_bounds
from relu2mip.bounds.crown import Crown
from relu2mip.bounds.data import Data
from relu2mip.bounds.ibp import Ibp

__all__ = ["BoundMethod", "Bounds", "Crown", "Data", "Domain", "Ibp", "Provenance", "compute_bounds"]
