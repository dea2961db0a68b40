"""The backends to test, in every variant that behaves differently."""

from importlib.util import find_spec

from relu2mip.registry import backends
from tests.conftest import installed_backends

VARIANTS = {
    "highs": [{}],
    "gurobi": [{}, {"quadratic": "cuts"}],
    "cvxpy": [{"solver": "HIGHS"}, {"solver": "GUROBI"}, {"solver": "SCIP"}],
}


def choices() -> list:
    """Instances; one whose solver inside CVXPY is not installed is left out unless it is the default."""
    return [
        backends[name](**options)
        for name in installed_backends()
        for options in VARIANTS[name]
        if options.get("solver") != "SCIP" or find_spec("pyscipopt") is not None
    ]
