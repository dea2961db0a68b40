"""Passes over the normal form, one a file. A pass invents no value: each one it leaves is part of an old one."""

from relu2mip.normal_form import NormalForm
from relu2mip.passes.drop_dead import drop_dead
from relu2mip.passes.drop_stable import drop_stable
from relu2mip.passes.fuse_affine import fuse_affine
from relu2mip.passes.merge_duplicates import merge_duplicates
from relu2mip.passes.rewrite import Origin, Rewrite, Rewriter, sequence

__all__ = [
    "Origin",
    "Rewrite",
    "Rewriter",
    "drop_dead",
    "drop_stable",
    "fuse_affine",
    "merge_duplicates",
    "sequence",
    "simplify",
]


def simplify(form: NormalForm) -> Rewrite:
    """Fold constants and affine chains, drop what nothing reads, merge equal units: no bounds needed, nothing lost."""
    return sequence(form, fuse_affine, drop_dead, merge_duplicates, fuse_affine, drop_dead)
