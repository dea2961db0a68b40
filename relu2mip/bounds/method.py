"""The protocol of bound methods, and methods one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Protocol

from relu2mip.errors import ContradictoryBounds, CrossedBounds
from relu2mip.runtime.progress import report
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.provenance import Grade, Provenance
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled


class BoundMethod(Protocol):
    """A frozen dataclass of a method's options. See docs/extending/add-a-bound-method.md."""

    name: ClassVar[str]

    @property
    def grade(self) -> Grade:
        """How far what it says can be relied on; a class attribute where it does not depend on options."""
        ...

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """Bounds at least as tight as the given ones, and what else was found; the caller adds the provenance."""
        ...


def compute_bounds(unrolled: Unrolled, methods: Sequence[BoundMethod]) -> Bounds:
    """Bounds by the methods in order, each intersected with those before; all finite.

    Raises `UnboundedUnit`, `CrossedBounds`, and `ContradictoryBounds` where bounds that are not certified cross.
    """
    bounds = Bounds.of(unrolled.form, unrolled.domain)
    for method in methods:
        begun = time.perf_counter()
        report(f"bounds: {method}")
        try:
            found = method.tighten(unrolled, bounds)
        except CrossedBounds as error:
            grade = Grade.worst((bounds.grade, method.grade))
            if grade is Grade.CERTIFIED:
                raise
            weak = [*(p.method for p in bounds.provenance if p.grade is not Grade.CERTIFIED), str(method)]
            raise ContradictoryBounds(
                f"bounds contradict each other, and some of them are {grade}, so nothing is proven: {error}; leave out "
                f"{weak[0]}"
            ) from error
        seconds = time.perf_counter() - begun
        bounds = bounds.joined(found, Provenance(str(method), method.grade, seconds, found.detail, found.cutoff))
    bounds = bounds.finite()
    return replace(bounds, premises=unrolled.rests_on(exact=bounds.cutoff is not None))
