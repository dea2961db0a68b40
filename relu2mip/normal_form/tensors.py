"""A form whose batches are evaluated and pulled back in torch, on a GPU where there is one; float64, as in numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
import torch  # noqa: TID253 - this module is imported where an option asks for torch
from torch import Tensor  # noqa: TID253

from relu2mip.arrays import Array, Matrix
from relu2mip.devices import device, tensor
from relu2mip.normal_form.engine import Engine
from relu2mip.normal_form.form import NormalForm
from relu2mip.normal_form.values import Affine, Max


@dataclass(frozen=True, eq=False)
class TensorForm(NormalForm):
    """A form on a device, "cpu", "cuda" or "auto"; arrays go in and come out as those of any form do.

    >>> from relu2mip.normal_form import FormBuilder
    >>> form = FormBuilder()
    >>> net = form.build({"y": form.relu(form.input("x", 2))})
    >>> TensorForm.of(net).evaluate({"x": np.array([[1.0, -2.0]])})["y"].tolist()
    [[1.0, 0.0]]
    """

    device: str = "cpu"

    @classmethod
    def of(cls, form: NormalForm, device: str = "cpu") -> TensorForm:
        """The same form; raises `Relu2MipError` where there is no such device."""
        made = cls(form.values, form.inputs, form.outputs, device)
        _ = made.engine
        return made

    @cached_property
    def engine(self) -> Engine[Any]:
        """Torch, with the matrices on the device."""
        return Tensors(device(self.device))


class Tensors(Engine[Tensor]):
    """In torch. What belongs to the form is on the device once, shared matrices as well."""

    def __init__(self, where: torch.device) -> None:
        self.where = where
        self._held: dict[int, tuple[Matrix, Tensor]] = {}

    def taken(self, arrays: Mapping[int, Array]) -> dict[int, Tensor]:
        """All in one transfer."""
        if not arrays:
            return {}
        batch = max(x.shape[0] for x in arrays.values())
        parts = [np.broadcast_to(x, (batch, x.shape[1])) for x in arrays.values()]
        whole = tensor(np.concatenate(parts, axis=1), self.where)
        return dict(zip(arrays, torch.split(whole, [x.shape[1] for x in parts], dim=1), strict=True))

    def arrays(self, batches: Sequence[Tensor]) -> list[Array]:
        """All in one transfer."""
        if not batches:
            return []
        whole = torch.cat(list(batches), dim=1).cpu().numpy()
        return np.split(whole, list(accumulate(x.shape[1] for x in batches))[:-1], axis=1)

    def affine(self, value: Affine, results: Sequence[Tensor], batch: int) -> Tensor:
        """Sum of A_k x_k, and b."""
        total = self._tensor(value.bias).expand(batch, value.size)
        for k, matrix in zip(value.inputs, value.matrices, strict=True):
            total = total + (self._tensor(matrix) @ results[k].T).T
        return total

    def relu(self, x: Tensor) -> Tensor:
        """max(x, 0)."""
        return x.clamp(min=0.0)

    def largest(self, value: Max, x: Tensor) -> Tensor:
        """The maxima of the groups."""
        members, group = x[:, self._tensor(value.members)], self._tensor(value.group)
        smallest = x.new_full((x.shape[0], value.size), -torch.inf)
        return smallest.scatter_reduce(1, group.expand(x.shape[0], -1), members, "amax")

    def transposed(self, matrix: Matrix, gradient: Tensor) -> Tensor:
        """The gradient of what a matrix reads."""
        return (self._tensor(matrix).T @ gradient.T).T

    def through_relu(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient where x is positive."""
        return gradient * (x > 0)

    def through_largest(self, value: Max, x: Tensor, y: Tensor, gradient: Tensor) -> Tensor:
        """The gradient at the first largest members."""
        members, group = self._tensor(value.members), self._tensor(value.group)
        hits = (x[:, members] == y[:, group]).to(x.dtype)
        before = hits.cumsum(dim=1) - hits
        first = hits * (before == before[:, self._tensor(value.starts)[:-1]][:, group])
        return torch.zeros_like(x).index_add(1, members, first * gradient[:, group])

    def _tensor(self, array: Matrix) -> Tensor:
        if id(array) not in self._held:
            self._held[id(array)] = array, tensor(array, self.where)
        return self._held[id(array)][1]
