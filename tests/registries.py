"""Registries that forget what a test registers."""

from __future__ import annotations

import importlib.util

import pytest

from relu2mip.frontends.onnx import registry as converters
from relu2mip.frontends.onnx import supported_ops
from relu2mip.registry import backends, bound_methods, formulations

REGISTRIES = {"bounds": bound_methods, "formulations": formulations, "backends": backends}
if importlib.util.find_spec("torch") is not None:
    from relu2mip.frontends.sparsify import families

    REGISTRIES["gates"] = families


@pytest.fixture
def restored_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    for parts in REGISTRIES.values():
        len(parts)  # entry points are looked for once
        monkeypatch.setattr(parts, "_where", dict(parts._where))
        monkeypatch.setattr(parts, "_loaded", dict(parts._loaded))
    supported_ops()
    monkeypatch.setattr(converters, "_table", {op: dict(since) for op, since in converters._table.items()})
