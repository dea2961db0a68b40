"""One thread for what is too small to share: torch, and the matrix products of numpy and scipy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread for the length of a block; needs the extra `torch`."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def products_on_one_thread() -> Iterator[None]:
    """Products of numpy and scipy on one thread for the length of a block, in all of the process.

    Batches of plans go through layers of some hundred units. Threads that share such a product wait for one another
    actively, and where other processes have the cores they do so for a time slice each: 128 plans of 20 steps through
    768 ReLUs a step took 1.2 s with two threads and 0.05 s with one on two busy cores.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> Any:
    import numpy  # noqa: F401  # only libraries that are loaded are found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
