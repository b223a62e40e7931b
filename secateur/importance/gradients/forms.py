"""Which layer's weights have which per-example gradient: a closed form for each kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from secateur.importance.gradients.capture import Call
from secateur.importance.gradients.terms import (
    Layout,
    Lookup,
    Part,
    Product,
    Term,
    same_padding,
    volume,
    windows,
)

# From a call (whose `deltas` are known by now) to the terms of the layer's weights, by attribute.
Form = Callable[[Any, Call], dict[str, Term]]


def form_of(layer: keras.Layer) -> Form | None:
    """The closed form of a layer, or None where there is none.

    A subclass with a `call` of its own is a layer of its own; so is one with low-rank adapters or
    quantized weights.
    """
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        return None
    for kind, form in _FORMS:
        if isinstance(layer, kind) and type(layer).call is kind.call:
            return form
    return None


def _dense(layer: Any, call: Call) -> dict[str, Term]:
    return {"kernel": _matmul(call.x, call.deltas[0])}


def _einsum_dense(layer: Any, call: Call) -> dict[str, Term]:
    x, delta = call.x, call.deltas[0]
    x_axes, w_axes, y_axes = einsum_axes(layer.equation, len(x.shape))
    batch = x_axes[0]
    both = set(x_axes) & set(y_axes) - {batch}
    groups = [a for a in w_axes if a in both]
    positions = [a for a in x_axes if a in both and a not in w_axes]
    inputs = [a for a in w_axes if a in x_axes and a not in both]
    outputs = [a for a in w_axes if a in y_axes and a not in both]
    if (
        y_axes[0] != batch
        or batch in w_axes
        or {*groups, *inputs, *outputs} != set(w_axes)
        or {batch, *groups, *positions, *inputs} != set(x_axes)
        or {batch, *groups, *positions, *outputs} != set(y_axes)
    ):
        return {}
    size = dict(zip(x_axes, x.shape, strict=True)) | dict(zip(y_axes, delta.shape, strict=True))
    sizes = tuple(volume([size[a] for a in axes]) for axes in (positions, groups, inputs, outputs))
    p, g, i, o = sizes
    n = x.shape[0]

    def factor(value: tf.Tensor, axes: str, last: list[str], width: int) -> tf.Tensor:
        order = [axes.index(a) for a in (batch, *positions, *groups, *last)]
        return tf.reshape(tf.transpose(value, order), [n, p, g, width])

    grouped = [*groups, *inputs, *outputs]
    shape = tuple(size[a] for a in w_axes)
    layout = Layout(tuple(size[a] for a in grouped), tuple(grouped.index(a) for a in w_axes), shape)
    return {
        "kernel": _product(
            factor(x, x_axes, inputs, i), factor(delta, y_axes, outputs, o), (n, p, g, i, o), layout
        )
    }


def _conv(layer: Any, call: Call) -> dict[str, Term]:
    x, delta = _last(layer, call.x), _last(layer, call.deltas[0])
    groups = x.shape[-1] // layer.kernel.shape[-2]
    return {"kernel": _correlation(layer, x, delta, groups)}


def _conv_transpose(layer: Any, call: Call) -> dict[str, Term]:
    # A transposed convolution is a convolution read backwards: δ takes the place of the input.
    x, delta = _last(layer, call.x), _last(layer, call.deltas[0])
    term = _correlation(layer, delta, x, 1)
    term.backwards = True
    return {"kernel": term}


def _depthwise(layer: Any, call: Call) -> dict[str, Term]:
    x, delta = _last(layer, call.x), _last(layer, call.deltas[0])
    return {"kernel": _depthwise_term(layer, layer.kernel.shape, x, delta)}


def _separable(layer: Any, call: Call) -> dict[str, Term]:
    x, delta = _last(layer, call.x), _last(layer, call.deltas[0])
    middle = keras.ops.depthwise_conv(
        x,
        tf.cast(layer.depthwise_kernel.value, x.dtype),
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        data_format="channels_last",
    )
    point = tf.reshape(layer.pointwise_kernel.value, layer.pointwise_kernel.shape[-2:])
    back = tf.matmul(delta, tf.cast(point, delta.dtype), transpose_b=True)
    pointwise = _matmul(middle, delta, shape=tuple(layer.pointwise_kernel.shape))
    return {
        "depthwise_kernel": _depthwise_term(layer, layer.depthwise_kernel.shape, x, back),
        "pointwise_kernel": pointwise,
    }


def _embedding(layer: Any, call: Call) -> dict[str, Term]:
    delta = call.deltas[0]
    n, width = delta.shape[0], delta.shape[-1]
    rows = tf.reshape(tf.cast(call.x, tf.int64), [n, -1])
    return {"embeddings": Lookup(rows, tf.reshape(delta, [n, -1, width]), layer.input_dim)}


def _simple_rnn(layer: Any, call: Call) -> dict[str, Term]:
    delta = call.delta_of("activation", 0)
    return _recurrent(call.x, _state(call), delta, delta)


def _lstm(layer: Any, call: Call) -> dict[str, Term]:
    gate = [call.delta_of("recurrent_activation", i) for i in range(3)]
    delta = tf.concat([gate[0], gate[1], call.delta_of("activation", 0), gate[2]], -1)
    return _recurrent(call.x, _state(call), delta, delta)


def _gru(layer: Any, call: Call) -> dict[str, Term]:
    update, reset = (call.delta_of("recurrent_activation", i) for i in range(2))
    new = call.delta_of("activation", 0)
    opened = tf.cast(call.output_of("recurrent_activation", 1), new.dtype)
    state = tf.cast(_state(call), new.dtype)
    delta = tf.concat([update, reset, new], -1)
    if layer.reset_after:
        return _recurrent(call.x, state, delta, tf.concat([update, reset, opened * new], -1))
    # Two products side by side: the state drives the gates, the opened state what is new.
    terms = _recurrent(call.x, state, delta, delta)
    n, units = state.shape
    left = tf.stack([state, state, opened * state], 1)[:, None]
    right = tf.stack([update, reset, new], 1)[:, None]
    layout = Layout((3, units, units), (1, 0, 2), (units, 3 * units))
    terms["recurrent_kernel"] = _product(left, right, (n, 1, 3, units, units), layout)
    return terms


def _recurrent(
    x: tf.Tensor, state: tf.Tensor, kernel_delta: tf.Tensor, recurrent_delta: tf.Tensor
) -> dict[str, Term]:
    return {
        "kernel": _matmul(x, kernel_delta),
        "recurrent_kernel": _matmul(state, recurrent_delta),
    }


def _state(call: Call) -> tf.Tensor:
    return tf.nest.flatten(call.arguments[1])[0]


def _matmul(x: tf.Tensor, delta: tf.Tensor, shape: tuple[int, ...] | None = None) -> Term:
    """x @ w, with any number of axes between the examples and the features."""
    n, i, o = x.shape[0], x.shape[-1], delta.shape[-1]
    left, right = (tf.reshape(value, [n, -1, 1, value.shape[-1]]) for value in (x, delta))
    layout = Layout((i, o), (0, 1), shape or (i, o))
    return _product(left, right, (n, left.shape[1], 1, i, o), layout)


def _product(left: tf.Tensor, right: tf.Tensor, sizes: tuple[int, ...], layout: Layout) -> Term:
    n, p, g, i, o = sizes
    return Product(_slices(left), _slices(right), (n, p, g, i, o), layout)


def _slices(value: tf.Tensor) -> Part:
    return lambda low, high: _exact(value[low:high])


def _exact(value: tf.Tensor) -> tf.Tensor:
    """Half precision is not enough to add up in."""
    return value if value.dtype == tf.float64 else tf.cast(value, tf.float32)


def _correlation(layer: Any, images: tf.Tensor, out: tf.Tensor, groups: int) -> Product:
    """Σ over positions of (what the kernel sees of `images`) ⊗ `out`, both channels last."""
    kernel = tuple(layer.kernel.shape[:-2])
    taps, (n, *spatial, f) = volume(kernel), out.shape
    c, positions = images.shape[-1] // groups, volume(out.shape[1:-1])
    images = _padded(layer, kernel, images, spatial)

    def left(low: int, high: int) -> tf.Tensor:
        seen = windows(
            _exact(images[low:high]), kernel, layer.strides, layer.dilation_rate, spatial
        )
        if groups == 1:
            return tf.reshape(seen, [high - low, positions, 1, taps * c])
        parted = tf.reshape(seen, [high - low, positions, taps, groups, c])
        parted = tf.transpose(parted, [0, 1, 3, 2, 4])
        return tf.reshape(parted, [high - low, positions, groups, taps * c])

    def right(low: int, high: int) -> tf.Tensor:
        return tf.reshape(_exact(out[low:high]), [high - low, positions, groups, f // groups])

    layout = Layout((groups, taps * c, f // groups), (1, 0, 2), tuple(layer.kernel.shape))
    if groups == 1:
        layout = Layout((taps * c, f), (0, 1), tuple(layer.kernel.shape))
    return Product(left, right, (n, positions, groups, taps * c, f // groups), layout)


def _depthwise_term(layer: Any, shape: Any, x: tf.Tensor, delta: tf.Tensor) -> Term:
    """As `_correlation`, with each channel a group of its own."""
    *kernel, c, m = shape
    taps, (n, *spatial, _) = volume(kernel), delta.shape
    positions = volume(spatial)
    x = _padded(layer, tuple(kernel), x, spatial)

    def left(low: int, high: int) -> tf.Tensor:
        seen = windows(_exact(x[low:high]), kernel, layer.strides, layer.dilation_rate, spatial)
        return tf.transpose(tf.reshape(seen, [high - low, positions, taps, c]), [0, 1, 3, 2])

    def right(low: int, high: int) -> tf.Tensor:
        return tf.reshape(_exact(delta[low:high]), [high - low, positions, c, m])

    layout = Layout((c, taps, m), (1, 0, 2), tuple(shape))
    return Product(left, right, (n, positions, c, taps, m), layout)


def _padded(layer: Any, kernel: tuple[int, ...], images: tf.Tensor, spatial: list[int]) -> Any:
    sizes = images.shape[1:-1]
    if layer.padding == "valid":
        return images
    if layer.padding == "causal":
        pads = [((k - 1) * d, 0) for k, d in zip(kernel, layer.dilation_rate, strict=True)]
    else:
        pads = [
            same_padding(*axis)
            for axis in zip(sizes, spatial, kernel, layer.strides, layer.dilation_rate, strict=True)
        ]
    return tf.pad(images, [(0, 0), *pads, (0, 0)])


def _last(layer: Any, value: tf.Tensor) -> tf.Tensor:
    """`value` with its channels in the last axis."""
    if layer.data_format == "channels_last":
        return value
    return tf.transpose(value, [0, *range(2, len(value.shape)), 1])


def einsum_axes(equation: str, x_rank: int | None = None) -> tuple[str, str, str]:
    """The axes of input, kernel and output, with an ellipsis spelled out.

    Args:
        equation: Of an EinsumDense layer.
        x_rank: Number of axes of the input; without it an ellipsis stands for one axis.
    """
    sides, y = equation.replace(" ", "").split("->")
    x, w = sides.split(",")
    if "..." in x:
        named = len(x.replace("...", ""))
        free = [a for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if a not in equation]
        hidden = "".join(free[: (named + 1 if x_rank is None else x_rank) - named])
        x, y = (side.replace("...", hidden) for side in (x, y))
    return x, w, y


_L = keras.layers
TRANSPOSED = (_L.Conv1DTranspose, _L.Conv2DTranspose, _L.Conv3DTranspose)
_FORMS: list[tuple[Any, Form]] = [
    (_L.Dense, _dense),
    (_L.EinsumDense, _einsum_dense),
    (_L.Embedding, _embedding),
    *((kind, _conv) for kind in (_L.Conv1D, _L.Conv2D, _L.Conv3D)),
    *((kind, _conv_transpose) for kind in TRANSPOSED),
    *((kind, _depthwise) for kind in (_L.DepthwiseConv1D, _L.DepthwiseConv2D)),
    *((kind, _separable) for kind in (_L.SeparableConv1D, _L.SeparableConv2D)),
    (_L.SimpleRNNCell, _simple_rnn),
    (_L.LSTMCell, _lstm),
    (_L.GRUCell, _gru),
]
