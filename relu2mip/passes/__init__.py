"""Passes over the normal form, one a file. A pass invents no value: each one it leaves is part of an old one."""

from __future__ import annotations

from relu2mip.normal_form import NormalForm
from relu2mip.passes.drop_dead import drop_dead
from relu2mip.passes.drop_stable import Bound, drop_stable
from relu2mip.passes.fuse_affine import fuse_affine
from relu2mip.passes.hold import hold
from relu2mip.passes.merge_duplicates import merge_duplicates
from relu2mip.passes.rewrite import Origin, Rewrite, Rewriter, sequence

__all__ = [
    "Origin",
    "Rewrite",
    "Rewriter",
    "drop_dead",
    "drop_stable",
    "fuse_affine",
    "hold",
    "merge_duplicates",
    "sequence",
    "simplify",
    "specialise",
]


def simplify(form: NormalForm) -> Rewrite:
    """Fold constants and affine chains, drop what nothing reads, merge equal units: no bounds needed, nothing lost."""
    return sequence(form, fuse_affine, drop_dead, merge_duplicates, fuse_affine, drop_dead)


def specialise(form: NormalForm, lower: Bound, upper: Bound) -> Rewrite:
    """The same function inside the bounds: stable units gone, affine chains fused, nothing unread left."""
    return drop_stable(form, lower, upper).then(fuse_affine).then(drop_dead)
