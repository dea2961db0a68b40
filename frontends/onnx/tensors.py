"""Tensors of the file as arrays: floating-point ones in float64 (exactly), NaN refused."""

from __future__ import annotations

import numpy as np
from onnx import SparseTensorProto, TensorProto, numpy_helper

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.onnx.values import Constant, in_float64


def from_tensor(tensor: TensorProto, name: str) -> Constant:
    """The array of a tensor; `name` is for the error."""
    try:
        array = in_float64(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidNetwork(
            f"tensor {name!r} cannot be read ({error}); the file is damaged, export it again"
        ) from error
    if array.dtype == np.float64 and np.isnan(array).any():
        raise InvalidNetwork(f"tensor {name!r} holds NaN; train or export the network again")
    return array


def from_sparse_tensor(tensor: SparseTensorProto, name: str) -> Constant:
    """The array of a sparse tensor, dense."""
    values, indices = from_tensor(tensor.values, name), from_tensor(tensor.indices, name)
    array = np.zeros(tuple(tensor.dims), dtype=values.dtype)
    try:
        if indices.ndim == 1:
            array.reshape(-1)[indices] = values
        else:
            array[tuple(indices.T)] = values
    except (IndexError, ValueError) as error:
        raise InvalidNetwork(f"sparse tensor {name!r} cannot be read ({error}); export it again") from error
    return array
