"""Constants of channels that go, added to the biases of the layers that read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import layers


class Fold(NamedTuple):
    """How one axis of a kernel takes up constants.

    Attributes:
        bias: The bias that takes them, or None if none can.
        reason: Why none can.
        delta: Function of (kernel, constants along the axis) to what is added to the bias.
    """

    bias: Any
    reason: str = ""
    delta: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def fold(layer: Any, variable: Any, axis: int) -> Fold:
    """How a layer takes up inputs that are constant, given the axis of its kernel that reads them.

    Args:
        layer: The layer that owns the kernel; inner layers of an attention by themselves.
        variable: The kernel.
        axis: The axis that reads.
    """
    if isinstance(layer, (layers.Conv1D, layers.Conv2D, layers.Conv3D)):
        if layer.groups > 1:
            return Fold(None, f"'{layer.name}' works in groups")
        if layer.padding != "valid" and max(layer.kernel_size) > 1:
            return Fold(None, f"'{layer.name}' pads its input with zeros")
        return _with_bias(layer, _summed_but(axis, len(variable.shape) - 1))
    if isinstance(layer, layers.Dense):
        return _with_bias(layer, _summed_but(axis, 1))
    if isinstance(layer, layers.EinsumDense):
        return _einsum(layer, axis)
    return Fold(None, f"'{getattr(layer, 'name', layer)}' has no bias that can take them")


def _with_bias(layer: Any, delta: Callable) -> Fold:
    if layer.bias is None:
        return Fold(None, f"'{layer.name}' has no bias")
    return Fold(layer.bias, "", delta)


def _summed_but(axis: int, kept: int) -> Callable:
    def delta(kernel: np.ndarray, constants: np.ndarray) -> np.ndarray:
        by_output = np.tensordot(constants, np.moveaxis(kernel, axis, 0), 1)
        place = kept - (axis < kept)
        return by_output.sum(tuple(i for i in range(by_output.ndim) if i != place))

    return delta


def _einsum(layer: Any, axis: int) -> Fold:
    left, right = layer.equation.replace(" ", "").split("->")
    source, weight = left.split(",")
    made = [letter for letter in right if letter in weight]
    if any(letter in source for letter in made):
        return Fold(None, f"'{layer.name}' multiplies channel by channel")
    shape = tuple(dict(zip(weight, layer._kernel.shape, strict=True))[x] for x in made)
    if layer.bias is None or tuple(layer.bias.shape) != shape:
        return Fold(None, f"'{layer.name}' has no bias of its own for each output")

    def delta(kernel: np.ndarray, constants: np.ndarray) -> np.ndarray:
        return np.einsum(f"{weight},{weight[axis]}->{''.join(made)}", kernel, constants)

    return Fold(layer.bias, "", delta)
