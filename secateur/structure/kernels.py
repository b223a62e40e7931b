"""Convolution kernels made smaller: the taps at their edge are removed for good."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np


class SmallerKernels(NamedTuple):
    """A model whose kernels were cut.

    Attributes:
        model: A new model; the given one stays as it is.
        notices: What was cut, and which large kernels stay and why.
    """

    model: keras.Model
    notices: list[str]


def cut_kernels(model: keras.Model, size: int = 3) -> SmallerKernels:
    """Cuts the edge off the kernels of `Conv2D` layers that are larger than `size`.

    What comes out equals the given model with the taps at the edge set to zero. A convolution
    without padding gets its input cropped, so that its output keeps its shape. Large kernels are
    what small channels cannot make up for: a kernel of 5x5 on one channel takes as long for one
    output channel as for sixteen, where 16 are computed at a time.

    Args:
        model: A Sequential or functional model.
        size: Rows and columns that stay at most, in the middle of a kernel; odd.
    """
    margins, notices = _margins(model, size)
    if not margins:
        return SmallerKernels(model, notices)
    cut = _rebuilt(model, margins)
    for layer in model.layers:
        weights = layer.get_weights()
        if layer.name in margins:
            rows, columns = margins[layer.name]
            kernel = weights[0]
            weights[0] = kernel[rows : len(kernel) - rows, columns : kernel.shape[1] - columns]
            notices.append(
                f"The kernels of {layer.name} were cut from {_shown(kernel.shape[:2])} to "
                f"{_shown(weights[0].shape[:2])}."
            )
        if weights:
            cut.get_layer(layer.name).set_weights(weights)
    return SmallerKernels(cut, notices)


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


def _rebuilt(model: keras.Model, margins: Margins) -> keras.Model:
    crops = {}
    for layer in model.layers:
        if layer.name in margins and layer.padding == "valid":
            crops[layer.name] = keras.layers.Cropping2D(
                [m * d for m, d in zip(margins[layer.name], layer.dilation_rate, strict=True)],
                name=f"{layer.name}_crop",
            )

    def clone(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):  # an operation, which has no weights
            return layer
        config = layer.get_config()
        if layer.name in margins:
            config["kernel_size"] = tuple(
                size - 2 * margin
                for size, margin in zip(layer.kernel_size, margins[layer.name], strict=True)
            )
        return type(layer).from_config(config)

    if isinstance(model, keras.Sequential):
        inputs = keras.Input(batch_shape=model.inputs[0].shape, name=model.inputs[0].name)
        layers: list[Any] = []
        for layer in model.layers:
            layers += [crops[layer.name]] if layer.name in crops else []
            layers.append(clone(layer))
        return keras.Sequential([inputs, *layers], name=model.name)

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        if layer.name in crops:
            args = (crops[layer.name](args[0]), *args[1:])
        return layer(*args, **kwargs)

    inputs = keras.tree.map_structure(
        lambda x: keras.Input(
            batch_shape=x.shape, dtype=x.dtype, name=x._keras_history.operation.name
        ),
        model.input,
    )
    return keras.models.clone_model(
        model, input_tensors=inputs, clone_function=clone, call_function=call
    )


def _shown(size: Any) -> str:
    return "x".join(str(int(n)) for n in np.asarray(size))
