"""The checklists of docs/extending, as far as a machine can hold them; their examples run in tests/test_docs.py."""

from __future__ import annotations

import re
import sys
from dataclasses import MISSING, FrozenInstanceError, dataclass, fields, is_dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip import registry
from relu2mip.bounds import Bounds, Grade, Tightened
from relu2mip.errors import Relu2MipError, UnknownOption
from relu2mip.formulations import BigM
from relu2mip.ir.samples import integrator, tiny
from relu2mip.mip import NO_AIDS, Aids, MipModel, Solution, Stop
from relu2mip.options import SolveOptions
from relu2mip.registry import Registry, backends, bound_methods, formulations
from relu2mip.unrolled.unrolled import Unrolled
from tests.registries import REGISTRIES, restored_registries  # noqa: F401

pytestmark = pytest.mark.usefixtures("restored_registries")
PARTS = [(family, name) for family, parts in REGISTRIES.items() for name in parts]
YEAR = re.compile(r"\b(19|20)\d\d\b")
PROBLEM = r2m.BoxProblem(tiny(), -1, 1, objective=[1.0], sense="max")


@pytest.mark.parametrize(("family", "name"), PARTS)
def test_a_part_is_a_frozen_dataclass_under_its_own_name(family: str, name: str) -> None:
    part = REGISTRIES[family][name]
    assert is_dataclass(part)
    assert part.__dataclass_params__.frozen
    assert part.name == name
    assert (part.__doc__ or "").strip()
    assert [f.name for f in fields(part) if f.default is MISSING and f.default_factory is MISSING] == []


@pytest.mark.parametrize(("family", "name"), [part for part in PARTS if part[0] != "backends"])
def test_a_method_names_its_source(family: str, name: str) -> None:
    part = REGISTRIES[family][name]
    words = f"{part.__doc__}\n{sys.modules[part.__module__].__doc__}"
    assert YEAR.search(words), f"name the source of {name!r} with its year, in the docstring of the class or its module"


def test_every_bound_method_has_a_grade() -> None:
    graded = {grade: {name for name, part in bound_methods.items() if part.grade is grade} for grade in Grade}
    assert graded[Grade.TRUSTED] == {"mip", "blocks"}
    assert graded[Grade.UNSOUND] == {"data"}
    assert len(graded[Grade.CERTIFIED]) == len(bound_methods) - 3


@pytest.mark.parametrize("name", [name for name, method in bound_methods.items() if method.grade is not Grade.UNSOUND])
def test_a_sound_method_only_tightens_and_holds_at_sampled_plans(name: str, tmp_path: Path) -> None:
    problem = r2m.Trajectory(
        integrator(),
        horizon=3,
        initial_state=r2m.Box([0.5, 0.0], [1.0, 1.5]),
        predicts="change",
        controls=r2m.Box(-1, 1),
        states=r2m.Box(-1.75, 1.75),
    )
    intervals = r2m.compile(problem, bounds="ibp").all_bounds
    saved = r2m.compile(problem, bounds="crown").all_bounds.save(tmp_path / "bounds.npz")
    method = {"file": f"file(path={saved})"}.get(name, name)
    bounds = r2m.compile(problem, bounds=f"ibp+{method}").all_bounds
    rng = np.random.default_rng(0)
    samples = {key: rng.uniform(bounds.lower[i], bounds.upper[i], (20_000, bounds.lower[i].size))
               for key, i in bounds.form.inputs.items()}  # fmt: skip
    values = bounds.form.evaluate_all(samples)
    states = [values[i] for i in problem.unrolled.domain]
    admissible = np.logical_and.reduce([(np.abs(x) <= 1.75).all(axis=1) for x in states])
    assert admissible.sum() > 1000
    for i, value in enumerate(values):
        assert (bounds.lower[i] >= intervals.lower[i]).all()
        assert (bounds.upper[i] <= intervals.upper[i]).all()
        assert (value[admissible] >= bounds.lower[i]).all()
        assert (value[admissible] <= bounds.upper[i]).all()


def test_every_formulation_says_whether_it_is_exact() -> None:
    assert {type(part.exact) for part in formulations.values()} == {bool}


@pytest.mark.parametrize("family", REGISTRIES)
def test_a_name_is_taken_once(family: str) -> None:
    parts = REGISTRIES[family]
    name = next(iter(parts))
    with pytest.raises(Relu2MipError, match=f"{name!r} is already registered .* choose another name"):
        parts.register(name, BigM)
    assert parts[name] is not BigM or name == "big-m"


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UnknownOption, match="did you mean 'crown'"):
        r2m.compile(PROBLEM, bounds="crwn")
    with pytest.raises(UnknownOption, match="did you mean 'big-m'"):
        r2m.compile(PROBLEM, formulation="bigm")


@dataclass(frozen=True)
class Halved:
    """Bounds of everything beyond the input, cut to a share of their distance from 0: wrong on purpose, so marked."""

    share: float = 0.5
    name: ClassVar[str] = "halved"
    grade: ClassVar[Grade] = Grade.UNSOUND

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        first = len(unrolled.form.inputs)
        lower = (*bounds.lower[:first], *(self.share * side for side in bounds.lower[first:]))
        upper = (*bounds.upper[:first], *(self.share * side for side in bounds.upper[first:]))
        return Tightened(lower, upper)

    def __str__(self) -> str:
        return f"halved(share={self.share:g})"


def test_a_bound_method_registered_at_run_time_is_used_by_name() -> None:
    bound_methods.register("halved", Halved)
    plain = r2m.compile(PROBLEM, bounds="ibp")
    halved = r2m.compile(PROBLEM, bounds="ibp+halved(share=0.25)")
    assert halved.all_bounds.provenance[-1].method == "halved(share=0.25)"
    assert not halved.bounds.sound
    np.testing.assert_allclose(halved.model.upper[-1], plain.model.upper[-1] / 4)
    with pytest.raises(UnknownOption, match="did you mean 'share'"):
        r2m.compile(PROBLEM, bounds="ibp+halved(shar=0.25)")


@dataclass(frozen=True)
class Renamed(BigM):
    """Big-M under another name."""

    name: ClassVar[str] = "renamed"


def test_a_formulation_registered_as_a_path_is_used_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "third_party", sys.modules[__name__])
    formulations.register("renamed", "third_party:Renamed")
    compiled = r2m.compile(PROBLEM, formulation="renamed")
    assert compiled.formulation == "renamed"
    assert compiled.solve().objective == pytest.approx(2.0)


@dataclass(frozen=True)
class Oracle:
    """A backend that knows the answer of one problem: x = (1, 1), so y = 2."""

    name: ClassVar[str] = "oracle"

    def capabilities(self) -> frozenset[object]:
        return frozenset()

    def solve(self, model: MipModel, options: SolveOptions, aids: Aids = NO_AIDS) -> Solution:
        x = np.array([1.0, 1.0, 2.0, 0.0, 1.0, 0.0, 2.0])
        return Solution(Stop.OPTIMAL, x, model.objective(x), -2.0)


def test_a_backend_registered_at_run_time_is_used_by_name() -> None:
    backends.register("oracle", Oracle)
    answer = r2m.solve(PROBLEM, backend="oracle", bounds="ibp", formulation="big-m")
    assert (answer.backend, answer.objective, answer.has_plan) == ("oracle", 2.0, True)


def test_another_package_adds_a_part_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("renamed", f"{__name__}:Renamed", "relu2mip.formulations")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Renamed.__module__])
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == entry.group else [])
    parts = Registry("formulations", {"big-m": "relu2mip.formulations.big_m:BigM"})
    assert list(parts) == ["big-m", "renamed"]
    assert parts["renamed"] is Renamed
    clash = EntryPoint("big-m", "elsewhere:BigM", "relu2mip.formulations")
    monkeypatch.setattr(registry, "entry_points", lambda group: [clash])
    with pytest.raises(Relu2MipError, match="'big-m' is already registered"):
        list(Registry("formulations", {"big-m": "relu2mip.formulations.big_m:BigM"}))


def test_a_part_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Halved().share = 1.0  # type: ignore[misc]
