"""What every test may use: the backends to run on, the shared networks, the hypothesis profile."""

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A background job starts with Ctrl-C ignored, and so would the processes that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The suite runs in parallel processes, so linear algebra inside each keeps to one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=500)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).resolve().parents[1]
BACKEND_MODULES = {"highs": "highspy", "gurobi": "gurobipy", "cvxpy": "cvxpy"}


def installed_backends() -> list[str]:
    """The backends to parametrise over: those installed, and those that RELU2MIP_REQUIRE_BACKENDS names.

    A required backend that is not installed is listed too, so that its tests fail instead of vanishing:

        from tests.conftest import installed_backends

        @pytest.mark.parametrize("backend", installed_backends())
        def test_it(backend): ...
    """
    required = {name for name in os.environ.get("RELU2MIP_REQUIRE_BACKENDS", "").split(",") if name}
    if unknown := sorted(required - set(BACKEND_MODULES)):
        raise pytest.UsageError(
            f"RELU2MIP_REQUIRE_BACKENDS names unknown backends: {', '.join(unknown)} "
            f"(known: {', '.join(BACKEND_MODULES)})"
        )
    return [
        name
        for name, module in BACKEND_MODULES.items()
        if name in required or importlib.util.find_spec(module) is not None
    ]


@pytest.fixture(params=installed_backends())
def backend(request: pytest.FixtureRequest) -> str:
    """Run the test once on each backend."""
    return request.param


@pytest.fixture(scope="session")
def shared_nets() -> Path:
    """The folder of real networks that may stand beside the checkout."""
    folder = ROOT.parent / "shared" / "nets"
    if not folder.is_dir():
        pytest.skip("no ../shared/nets beside the checkout")
    return folder


@pytest.fixture(autouse=True, scope="session")
def forms_are_valid_after_every_pass() -> Iterator[None]:
    """Every form that a pass leaves is validated, in every test; the error names the pass."""
    from relu2mip.normal_form.validate import validate
    from relu2mip.passes.rewrite import Rewrite, Rewriter

    finish = Rewriter.finish

    def checked(self: Rewriter) -> Rewrite:
        rewrite = finish(self)
        try:
            validate(rewrite.form)
        except Exception as error:
            by = sys._getframe(1).f_code.co_name
            raise AssertionError(f"the pass {by} leaves a form that is none: {error}") from error
        return rewrite

    Rewriter.finish = checked
    yield
    Rewriter.finish = finish
