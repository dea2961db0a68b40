"""Where torch computes, by name; needs the extra `torch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from relu2mip.arrays import Matrix
from relu2mip.errors import Relu2MipError

if TYPE_CHECKING:
    import torch

DEVICES = ("cpu", "cuda", "auto")
"""The names; "auto" is cuda where there is one."""


def device(wanted: str) -> torch.device:
    """The device of a name; raises `Relu2MipError` for "cuda" where torch finds none."""
    import torch

    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise Relu2MipError('device is "cuda", and torch finds none; use device="cpu" or "auto"')
    return torch.device(wanted)


def tensor(array: Matrix, where: torch.device) -> torch.Tensor:
    """An array, or a sparse matrix, as a tensor on a device."""
    import torch

    if isinstance(array, np.ndarray):
        return torch.tensor(array, device=where)
    coo = array.tocoo()
    index = torch.tensor(np.stack([coo.row, coo.col]).astype(np.int64))
    return torch.sparse_coo_tensor(index, torch.tensor(coo.data), coo.shape, device=where)
