"""FLOPs of one example's forward pass, counted from the graph of the model.

The convention is the field's: one multiply-add is two FLOPs, and what is counted are the operations
that do the work: products with a kernel (dense, convolutional, recurrent), and the matrix products
of attention and of `keras.ops`. Counted as zero: the addition of biases, activations, softmax,
normalisation, pooling, merging, resizing, and look-ups (`Embedding`). Multiplications with the
zeros of a padded border are counted, as everywhere in the literature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

Shape = tuple[int | None, ...]


class UnknownFlops(ValueError):  # noqa: N818 - reads as what it says
    """The FLOPs of a model cannot be counted; the message says why."""


@dataclass(frozen=True)
class Call:
    """One call of an operation in the graph of a model.

    Attributes:
        operation: The layer, nested model or `keras.ops` operation.
        inputs: Shapes of the tensors that come in, in the order of the arguments.
        outputs: Shapes of the tensors that come out.
        slots: Position or name of an argument -> index in `inputs`, for arguments that are tensors.
        tensors: The symbolic tensors behind `inputs` and the ones behind `outputs`.
        node: The Keras node.
    """

    operation: Any
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    slots: Mapping[int | str, int] = field(default_factory=dict)
    tensors: tuple[list[Any], list[Any]] = ((), ())  # type: ignore[assignment]
    node: Any = None

    def argument(self, position: int, name: str) -> Shape | None:
        """Shape of the tensor given as this argument, or None if there is none."""
        index = self.slots.get(name, self.slots.get(position))
        return None if index is None else self.inputs[index]

    def inputs_of(self, graph: Any) -> list[Shape]:
        """Shapes that come into a nested model; a mask that Keras passes along follows them."""
        return list(self.inputs[: len(graph.inputs)])


def graph_of(model: keras.Model) -> keras.Model | None:
    """The Functional graph behind a model, or None for a subclassed model.

    Raises:
        ValueError: If a Sequential model has not been built yet.
    """
    if isinstance(model, keras.Sequential):
        if model._functional is None:
            raise ValueError(
                f"The model '{model.name}' is not built: give it an Input, or call it on data once."
            )
        return model._functional
    return model if hasattr(model, "_nodes_by_depth") else None


def nodes_in_order(graph: Any) -> Iterator[Any]:
    """The nodes of a Functional graph from inputs to outputs, input nodes left out."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def graph_calls(graph: Any, inputs: list[Shape] | None = None) -> list[Call]:
    """The calls in a Functional graph, with the shapes they see for these input shapes.

    Args:
        graph: A Functional model (`graph_of`).
        inputs: Shapes of its inputs. Default: the ones it was built with, with a batch of one
            where the size of the batch is open.

    Returns:
        One entry a node, from inputs to outputs.
    """
    own = [tuple(x.shape) for x in graph.inputs]
    if inputs is None:
        inputs = [(1, *shape[1:]) if shape and shape[0] is None else shape for shape in own]
    nodes = list(nodes_in_order(graph))
    if all(a[1:] == b[1:] for a, b in zip(own, inputs, strict=True)) and all(
        map(_is_settled, nodes)
    ):
        shapes = {
            id(x): _with_batch(tuple(x.shape), inputs[0][0])
            for node in nodes
            for x in (*node.input_tensors, *node.outputs)
        }
    else:
        shapes = _traced_shapes(graph, inputs)
    return [
        Call(
            operation=node.operation,
            inputs=tuple(shapes[id(x)] for x in node.input_tensors),
            outputs=tuple(shapes[id(x)] for x in node.outputs),
            slots=_slots(node),
            tensors=(list(node.input_tensors), list(node.outputs)),
            node=node,
        )
        for node in nodes
        if all(id(x) in shapes for x in (*node.input_tensors, *node.outputs))
    ]


def flops(model: keras.Model) -> dict[str, int]:
    """FLOPs of one example's forward pass, for each operation of a model.

    A layer that is called several times counts once a call. The operations of a nested model are
    named `nested/operation`. Layers and models of your own that Keras's graph does not show are
    traced with TensorFlow, and counted as a whole.

    Args:
        model: A built Keras model of any kind.

    Returns:
        Name of the operation -> FLOPs, for all operations except the inputs, zeros included.

    Raises:
        UnknownFlops: If a size of the input (other than the batch) is open, or a part of the model
            cannot be counted; the message names it.
        ValueError: If the model is not built.
    """
    graph = graph_of(model)
    if graph is None:
        from secateur.evaluation.flops_traced import traced_model_flops

        return {model.name: traced_model_flops(model)}
    batches = {x.shape[0] for x in graph.inputs}
    batch = batches.pop() if len(batches) == 1 else None
    counted = {name: int(count) for name, count in _graph_flops(graph, None, "").items()}
    return {name: count // (batch or 1) for name, count in counted.items()}


def total_flops(model: keras.Model) -> int:
    """FLOPs of one example's forward pass: the sum of `flops(model)`, with the same errors."""
    return sum(flops(model).values())


def counted_flops(model: keras.Model) -> tuple[int | None, list[str]]:
    """`total_flops`, or None and a notice that says why they cannot be counted."""
    try:
        return total_flops(model), []
    except ValueError as error:
        return None, [f"FLOPs were not counted: {error}"]


def _graph_flops(graph: Any, inputs: list[Shape] | None, prefix: str) -> dict[str, int]:
    from secateur.evaluation.flop_rules import call_flops

    counts: dict[str, int] = {}
    for call in graph_calls(graph, inputs):
        name = prefix + call.operation.name
        inner = graph_of(call.operation) if isinstance(call.operation, keras.Model) else None
        if inner is not None:
            for key, count in _graph_flops(inner, call.inputs_of(inner), f"{name}/").items():
                counts[key] = counts.get(key, 0) + count
        else:
            counts[name] = counts.get(name, 0) + call_flops(call)
    return counts


def _slots(node: Any) -> dict[int | str, int]:
    order = {id(x): i for i, x in reversed(list(enumerate(node.input_tensors)))}
    arguments = (*enumerate(node.arguments.args), *node.arguments.kwargs.items())
    return {key: order[id(value)] for key, value in arguments if id(value) in order}


def _with_batch(shape: Shape, batch: int | None) -> Shape:
    return (batch, *shape[1:]) if shape and shape[0] is None else shape


def _is_settled(node: Any) -> bool:
    """Whether the shapes of a node say all: `ops` may move the batch, EinsumDense can too."""
    if isinstance(node.operation, keras.layers.EinsumDense):
        return None not in node.outputs[0].shape[1:]
    if isinstance(node.operation, keras.Layer):
        return True
    rank = max((len(x.shape) for x in node.input_tensors), default=0)
    widest = [1] * rank
    for x in node.input_tensors:
        for axis, size in enumerate(x.shape, start=rank - len(x.shape)):
            widest[axis] = size if widest[axis] == 1 else widest[axis]
    return all(tuple(x.shape) == tuple(widest) for x in node.outputs)


def _output_spec(op: Any, args: Any, kwargs: Any) -> Any:
    spec = op.compute_output_spec(*args, **kwargs)
    if isinstance(op, keras.layers.EinsumDense) and "." not in op.equation:
        left, right = op.equation.replace(" ", "").split("->")
        known = dict(zip(left.split(",")[0], args[0].shape, strict=True))
        shape = [
            known.get(letter) if size is None else size
            for letter, size in zip(right, spec.shape, strict=True)
        ]
        return keras.KerasTensor(shape, dtype=spec.dtype)
    return spec


def _traced_shapes(graph: Any, inputs: list[Shape]) -> dict[int, Shape]:
    """Shapes of all tensors for other input shapes than the graph was built with."""
    specs = [
        keras.KerasTensor(shape, dtype=x.dtype)
        for shape, x in zip(inputs, graph.inputs, strict=True)
    ]
    tensors = {id(x): y for x, y in zip(graph.inputs, specs, strict=True)}
    for node in nodes_in_order(graph):
        if any(id(x) not in tensors for x in node.input_tensors):
            continue
        args, kwargs = node.arguments.fill_in(tensors)
        try:
            outputs = keras.tree.flatten(_output_spec(node.operation, args, kwargs))
        except Exception as error:
            raise UnknownFlops(
                f"The FLOPs cannot be counted: '{node.operation.name}' does not accept inputs of "
                f"shape {[tuple(x.shape) for x in node.input_tensors]} ({error})."
            ) from error
        tensors.update({id(x): y for x, y in zip(node.outputs, outputs, strict=True)})
    return {key: tuple(x.shape) for key, x in tensors.items()}
