"""Convolution kernels made smaller: the taps at their edge are removed for good."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from secateur.graph.building import Builder
from secateur.models.weights import weight_paths
from secateur.proof.cuts import prove_cut
from secateur.proof.record import Check
from secateur.structure.cutting import settle


class SmallerKernels(NamedTuple):
    """A model whose kernels were cut.

    Attributes:
        model: A new model; the given one stays as it is.
        notices: What was cut, and which large kernels stay and why.
        checks: What was proved of the new model.
    """

    model: keras.Model
    notices: list[str]
    checks: tuple[Check, ...] = ()


def cut_kernels(model: keras.Model, size: int = 3, data: Any = None) -> SmallerKernels:
    """Cuts the edge off the kernels of `Conv2D` layers that are larger than `size`.

    What comes out equals the given model with the taps at the edge set to zero. A convolution
    without padding gets its input cropped, so that its output keeps its shape. Large kernels are
    what small channels cannot make up for: a kernel of 5x5 on one channel takes as long for one
    output channel as for sixteen, where 16 are computed at a time.

    Args:
        model: A Sequential or functional model.
        size: Rows and columns that stay at most, in the middle of a kernel; odd.
        data: `(x, …)` that the proof of the cut runs on; None for generated examples.
    """
    margins, notices = _margins(model, size)
    if not margins:
        return SmallerKernels(model, notices)
    builder = _Smaller(model, margins)
    cut = builder.operation(model)
    layers = {layer.name: layer for layer in model.layers}
    for name, (rows, columns) in margins.items():
        before = layers[name].kernel_size
        after = (before[0] - 2 * rows, before[1] - 2 * columns)
        notices.append(f"The kernels of {name} were cut from {_shown(before)} to {_shown(after)}.")
    slices: dict[int, Callable[[np.ndarray], np.ndarray]] = {}
    for name, margin in margins.items():
        slices[id(layers[name].kernel)] = functools.partial(_inner, margin=margin)

    def value(old: Any) -> np.ndarray:
        whole = keras.ops.convert_to_numpy(old.value)
        return slices.setdefault(id(old), lambda x: x)(whole)

    settle(model, cut, builder, value, slices)
    paths = {id(variable): path for path, variable in weight_paths(model)}
    kept = {
        paths[id(layers[name].kernel)]: {
            axis: np.arange(m, layers[name].kernel.shape[axis] - m) for axis, m in enumerate(margin)
        }
        for name, margin in margins.items()
    }
    return SmallerKernels(cut, notices, (prove_cut(model, cut, kept, data),))


def _inner(kernel: np.ndarray, margin: tuple[int, int]) -> np.ndarray:
    """A kernel, or what an optimizer keeps of it, without its edge."""
    rows, columns = margin
    return kernel[rows : len(kernel) - rows, columns : kernel.shape[1] - columns]


Margins = dict[str, tuple[int, int]]
"""Rows and columns that go on each side, by the layer's name."""


def _margins(model: keras.Model, size: int) -> tuple[Margins, list[str]]:
    margins: Margins = {}
    notices = []
    for layer in model.layers:
        if type(layer) is not keras.layers.Conv2D or max(layer.kernel_size) <= size:
            continue
        reason = _stays(layer, model)
        if reason:
            notices.append(
                f"The kernels of {layer.name} stay {_shown(layer.kernel_size)}: {reason}."
            )
            continue
        rows, columns = (max(0, -(-(k - size) // 2)) for k in layer.kernel_size)
        margins[layer.name] = (rows, columns)
    return margins, notices


def _stays(layer: keras.layers.Conv2D, model: keras.Model) -> str | None:
    """Why a kernel cannot be cut, or None."""
    if not getattr(model, "inputs", None):  # of a subclassed model
        return "the model is no graph of layers"
    if layer.data_format != "channels_last":
        return "its channels come first"
    if layer.padding == "same" and max(layer.strides) > 1:
        return "with strides its padding depends on the size of the kernel"
    if _uses(layer, model) > 1:
        return "the layer is shared"
    if any(size % 2 == 0 for size in layer.kernel_size):
        return "a kernel of an even size has no middle"
    return None


def _uses(layer: keras.Layer, model: keras.Model) -> int:
    """How often a layer stands in the model's graph."""
    if isinstance(model, keras.Sequential):
        return sum(other is layer for other in model.layers)
    nodes = (node for some in model._nodes_by_depth.values() for node in some)
    return sum(node.operation is layer for node in nodes)


class _Smaller(Builder):
    """Builds the model with smaller kernels, and crops what convolutions without padding take."""

    def __init__(self, model: keras.Model, margins: Margins) -> None:
        self.crops: dict[int, keras.layers.Layer] = {}
        changes: dict[int, dict[str, Any]] = {}
        for layer in model.layers:
            if layer.name not in margins:
                continue
            margin = margins[layer.name]
            sizes = zip(layer.kernel_size, margin, strict=True)
            changes[id(layer)] = {"kernel_size": tuple(size - 2 * m for size, m in sizes)}
            if layer.padding == "valid":
                self.crops[id(layer)] = keras.layers.Cropping2D(
                    [m * d for m, d in zip(margin, layer.dilation_rate, strict=True)],
                    name=f"{layer.name}_crop",
                )
        super().__init__(changes, {}, {})

    def layers(self, model: keras.Sequential) -> list[Any]:
        """The new layers of a Sequential model, crops among them."""
        found: list[Any] = []
        for old in model.layers:
            found += [self.crops[id(old)]] if id(old) in self.crops else []
            found.append(self.operation(old))
        return found

    def call(self, op: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """What the new operation gives, behind its crop."""
        if id(op) in self.crops:
            args = [self.crops[id(op)](args[0]), *args[1:]]
        return super().call(op, args, kwargs)


def _shown(size: Any) -> str:
    return "x".join(str(int(n)) for n in np.asarray(size))
