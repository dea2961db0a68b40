"""What a bound method is, and methods one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Protocol

from relu2mip.runtime.progress import report
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.provenance import Provenance
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled


class BoundMethod(Protocol):
    """A frozen dataclass of a method's options. See docs/extending/add-a-bound-method.md."""

    name: ClassVar[str]

    @property
    def sound(self) -> bool:
        """Whether nothing can lie outside what it says; a class attribute where it does not depend on options."""
        ...

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """Bounds at least as tight as the given ones, and what else was found; the caller adds the provenance."""
        ...


def compute_bounds(unrolled: Unrolled, methods: Sequence[BoundMethod]) -> Bounds:
    """Bounds by the methods in order, each intersected with those before; all finite.

    Raises `UnboundedUnit` and `CrossedBounds`.
    """
    bounds = Bounds.of(unrolled.form, unrolled.domain)
    for method in methods:
        begun = time.perf_counter()
        report(f"bounds: {method}")
        found = method.tighten(unrolled, bounds)
        seconds = time.perf_counter() - begun
        bounds = bounds.joined(found, Provenance(str(method), method.sound, seconds, found.detail, found.cutoff))
    bounds = bounds.finite()
    return replace(bounds, premises=unrolled.rests_on(exact=bounds.cutoff is not None))
