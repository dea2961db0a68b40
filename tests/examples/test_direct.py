"""Direct fits: hinges and maxima are found where they are the truth, networks say the same, and the command runs."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "gymnasium", "pymunk"):
    pytest.importorskip(package)

import torch  # noqa: E402

from relu2mip.frontends.sparsify import compact, harden, sparsify  # noqa: E402
from relu2mip.frontends.sparsify.gates.linearisation import Linearisation  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module", autouse=True)
def examples():
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))


def test_hinges_are_found() -> None:
    hinges = importlib.import_module("environments.hinges")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    planes = np.array([[1.0, 0.4, 0.0, 0.3], [0.0, -1.0, 0.7, -0.2]])
    heights, affine = np.array([[1.5, -0.7], [0.6, 1.1]]), rng.normal(size=(4, 2))
    y = hinges.Hinges(planes, heights, affine)(x)
    one, two = hinges.fit_hinges(x, y, (1, 2), rng)
    assert len(one.planes) == 1
    left = [np.sqrt(((fit(x) - y) ** 2).mean()) for fit in (one, two)]
    assert left[0] > 0.1
    assert left[1] < 1e-3


def test_maxima_are_found() -> None:
    maxima = importlib.import_module("environments.max_affine")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(600, 2))
    truth = maxima.MaxAffine(
        np.array([[1.0, 0.0, 0.0], [-1.0, 0.5, 0.2]]), np.array([[0.0, 1.0, 0.0], [0.3, -0.8, 0.1]])
    )
    fit = maxima.fit_max_affine(x, truth(x), 2, rng, starts=10)
    assert (len(fit.above), len(fit.below)) == (2, 2)
    assert np.sqrt(((fit(x) - truth(x)) ** 2).mean()) < 1e-2


def test_networks_say_what_the_fits_do_with_as_many_relus() -> None:
    direct = importlib.import_module("environments.direct")
    objective, _ = direct.simulations("push", 10, 4, 0)
    x, y = direct.rows(objective)
    seen = objective.inputs()
    # What a core should give makes the true change.
    truth = objective.encoding.out(y) + objective.encoding.past(np.concatenate([part.numpy() for part in seen], axis=1))
    assert np.allclose(truth, objective.data.next_state - objective.data.state, atol=1e-2)
    rng = np.random.default_rng(0)
    for fits in direct.FITS.values():
        for network, count in zip(fits(objective, (7, 4), rng), (4, 7), strict=True):
            hardened = harden(sparsify(network, objective.example(), Linearisation())).eval()
            assert compact(hardened, objective.example()).meta["relus"] == count
            with torch.no_grad():
                assert torch.isfinite(network(*seen)).all()
    (fit,) = importlib.import_module("environments.hinges").fit_hinges(x, y, (4,), np.random.default_rng(0))
    with torch.no_grad():
        found = direct.hinges(objective, (4,), np.random.default_rng(0))[0].core(torch.as_tensor(x).float())
    assert np.allclose(found, fit(x), atol=1e-3)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    direct = importlib.import_module("environments.direct")
    output = tmp_path / "rows.json"
    given = ["push", "--rollouts", "20", "--held-out", "10", "--units", "4", "2", "--epochs", "1"]
    direct.main([*given, "--output", str(output)])
    lines = [line for line in capsys.readouterr().out.splitlines() if "ReLUs" in line]
    assert [line.split("  ")[0] for line in lines[::2]] == [
        "hinges", "hinges, trained", "max-affine", "max-affine, trained",
    ]  # fmt: skip
    rows = json.loads(output.read_text())
    assert [row["relus"] for row in rows] == [4, 2] * 4
    assert all(np.isfinite(row["errors"]).all() for row in rows)
