"""Which axes of a kernel are its inputs and outputs: all that patterns need to know of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Layout(NamedTuple):
    """How a weight is laid out.

    Any weight is seen as an array `(rest, inputs, outputs)`: for a convolution the rest are the
    positions of its window, for a fused recurrent kernel `gates` outputs make one unit.

    Attributes:
        layer: Path of the layer that owns the weight.
        kind: Type of that layer, such as `Dense`.
        shape: Shape of the weight.
        input_axes: Axes that are summed over: N:M groups and blocks run along them.
        output_axes: Axes of the output units.
        gates: Groups of outputs that belong to the same units: 4 in an LSTM, otherwise 1.
        group: Weights of the same group share their output units, as the two kernels of an LSTM do;
            empty: the weight has units of its own.
        known: False where the axes were guessed, because the type of the layer is unknown.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]
    gates: int = 1
    group: str = ""
    known: bool = True

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def rest_axes(self) -> tuple[int, ...]:
        """Axes that are neither inputs nor outputs."""
        taken = self.input_axes + self.output_axes
        return tuple(axis for axis in range(len(self.shape)) if axis not in taken)

    @property
    def fan_in(self) -> int:
        """Weights of one output."""
        return self.size // max(1, math.prod(self.shape[axis] for axis in self.output_axes))


def guess(path: str, shape: tuple[int, ...]) -> Layout:
    """The layout of a weight of which only path and shape are known: `(…, inputs, outputs)`."""
    rank = len(shape)
    inputs = (rank - 2,) if rank > 1 else ()
    outputs = (rank - 1,) if rank else ()
    return Layout(path.rpartition("/")[0] or path, "", tuple(shape), inputs, outputs, known=False)


def describe(model: Any) -> dict[str, Layout]:
    """The layouts of all prunable weights of a built Keras model, by weight path."""
    from secateur.models.weights import prunable_weights

    layouts = {}
    for path, variable, layer in prunable_weights(model):
        shape = tuple(int(size) for size in variable.shape)
        axes = _axes(layer, variable.name, shape)
        inputs, outputs, gates = axes or (*guess(path, shape)[3:5], 1)
        owner = path.rpartition("/")[0] or layer.name
        group = owner if isinstance(layer, _recurrent()) else ""
        kind = type(layer).__name__
        known = axes is not None
        layouts[path] = Layout(owner, kind, shape, inputs, outputs, gates, group, known)
    return layouts


def _recurrent() -> Any:
    from keras import layers

    return (layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell)


_Axes = tuple[tuple[int, ...], tuple[int, ...], int]


def _axes(layer: Any, name: str, shape: tuple[int, ...]) -> _Axes | None:
    """Input axes, output axes and gates of a weight; None if the layer is of an unknown type."""
    from keras import layers

    rank = len(shape)
    last = ((rank - 2,), (rank - 1,), 1)
    if isinstance(layer, layers.EinsumDense):
        return _einsum_axes(layer.equation, rank)
    if isinstance(layer, _recurrent()):
        return ((0,), (1,), shape[1] // layer.units)
    depthwise = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
    separable = (layers.SeparableConv1D, layers.SeparableConv2D)
    if isinstance(layer, depthwise) or (isinstance(layer, separable) and "depthwise" in name):
        return (tuple(range(rank - 2)), (rank - 2, rank - 1), 1)  # a unit sees one channel only
    transposed = (
        layers.Conv1DTranspose,
        layers.Conv2DTranspose,
        *((layers.Conv3DTranspose,) if hasattr(layers, "Conv3DTranspose") else ()),
    )
    if isinstance(layer, transposed):
        return ((rank - 1,), (rank - 2,), 1)
    known = (
        layers.Dense,
        layers.Embedding,
        layers.Conv1D,
        layers.Conv2D,
        layers.Conv3D,
        *separable,
    )
    return last if isinstance(layer, known) else None


def _einsum_axes(equation: str, rank: int) -> _Axes | None:
    operands, _, output = equation.replace(" ", "").partition("->")
    inputs, _, kernel = operands.partition(",")
    if len(kernel) != rank or not output:
        return None
    contracted = tuple(i for i, c in enumerate(kernel) if c not in output and c in inputs)
    kept = tuple(i for i, c in enumerate(kernel) if c in output)
    return (contracted, kept, 1) if len(contracted) + len(kept) == rank else None


def check_shapes(
    scores: Mapping[str, Any], layouts: Mapping[str, Layout] | None
) -> dict[str, Layout]:
    """The layout of each scored weight, guessed from its shape if `layouts` is None.

    Raises:
        ValueError: If a scored weight is not in `layouts`, or has another shape there.
    """
    found = {}
    for path in sorted(scores):
        shape = tuple(scores[path].shape)
        if layouts is None:
            found[path] = guess(path, shape)
            continue
        if path not in layouts:
            raise ValueError(
                f"there are scores for {path}, which is no prunable weight of the model; score the "
                "model that is pruned"
            )
        if layouts[path].shape != shape:
            raise ValueError(
                f"the scores of {path} have the shape {shape}, the weight has "
                f"{layouts[path].shape}; score the model that is pruned"
            )
        found[path] = layouts[path]
    return found
