"""The needs of a model beyond linear rows, bounds and integrality, and which backends take it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from relu2mip.errors import CapabilityMissing
from relu2mip.mip.aids import NO_AIDS, Aids
from relu2mip.mip.model import MipModel


class Capability(StrEnum):
    """A feature of a model that not every solver takes."""

    QUADRATIC = "convex quadratic cost with integers"
    SOS1 = "SOS1 sets"
    INDICATORS = "indicator rows"
    MAXIMA = "maxima of columns"
    PAIRS = "complementary pairs"
    CALLBACK = "cuts separated during the search"


def needs(model: MipModel, aids: Aids = NO_AIDS) -> frozenset[Capability]:
    """The needs of the model, and of its aids."""
    held = {
        Capability.QUADRATIC: model.quadratic is not None and bool(model.quadratic.any()),
        Capability.SOS1: model.sos1 is not None and len(model.sos1) > 0,
        Capability.INDICATORS: model.indicators is not None and model.indicators.binary.size > 0,
        Capability.MAXIMA: model.maxima is not None and len(model.maxima) > 0,
        Capability.PAIRS: model.pairs is not None and len(model.pairs) > 0,
        Capability.CALLBACK: aids.callback,
    }
    return frozenset(capability for capability, is_held in held.items() if is_held)


def require(model: MipModel, capabilities: frozenset[Capability], who: str, aids: Aids = NO_AIDS) -> None:
    """Raise `CapabilityMissing` where the model, or its aids, needs more than `who` takes."""
    if missing := sorted(needs(model, aids) - capabilities):
        raise CapabilityMissing(f"{who} does not take {' and '.join(missing)}; {able(missing)}")


def able(capabilities: Iterable[Capability]) -> str:
    """Words that name the backends which take all of these natively: "backends that do: gurobi"."""
    from relu2mip.registry import backends

    wanted = frozenset(capabilities)
    names = [name for name in backends if wanted <= backends[name]().capabilities()]
    return f"backends that do: {', '.join(names) or 'none'}"
