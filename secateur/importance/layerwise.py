"""A model's layers one by one, each with what goes into it once those before it are pruned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from secateur.evaluation.flops import graph_of, nodes_in_order
from secateur.importance.gradients.passes import TRIAL, Passes
from secateur.importance.gradients.terms import Term
from secateur.importance.run import Run
from secateur.models.weights import PrunableWeight, flat_layers

HELD = 1 << 30
"""Bytes of activations, of all calibration examples, that are held between two layers at most."""

_WAITING = 4  # tensors that wait at once: inputs, outputs and what goes round on residual ways
_BATCH = 4  # examples that go through a layer at a time: small, so that little is held beside

Terms = dict[int, list[Term]]


class Layer(NamedTuple):
    """A layer whose turn it is.

    Attributes:
        weights: Its weights to prune.
        inputs: Called, it runs the layer and yields the terms of each batch; see `Passes.terms`.
    """

    weights: list[PrunableWeight]
    inputs: Callable[[], Iterator[Terms]]


def layers(run: Run, wanted: set[str]) -> Iterator[Layer]:
    """Yields the layers in the order in which the model runs them.

    Whoever iterates may change a layer's weights before taking the next one, which then sees
    inputs of the changed model. In a Functional or Sequential model the examples wait in front of
    each layer, so that all of it costs a few forward passes; a model of another kind, one that
    shares layers, or examples that would take more than `HELD` are run through the whole model
    for each layer.

    Args:
        run: The model, its weights and the examples.
        wanted: Paths of the weights to prune.
    """
    weights = [weight for weight in run.weights if weight.path in wanted]
    graph: Any = graph_of(run.model)
    if graph is None or run.size is None or _shared(graph) or _held(run, graph, run.size) > HELD:
        yield from _whole_model(run, weights)
        return
    batches = [graph._standardize_inputs(b.x) for b in run.batches(run.batch_size or _BATCH)]
    left = len(weights)
    for operation, call, count in _operations(graph, batches):
        inside = [operation, *flat_layers(operation)] if isinstance(operation, keras.Layer) else []
        own = {id(layer) for layer in inside}
        part = run.only([weight for weight in weights if id(weight.layer) in own])
        if part.weights:
            yield from _one_by_one(part, partial(map, call, range(count)))
        left -= len(part.weights)
        if not left:
            return  # what comes after need not run: a language model's last outputs are large


def _whole_model(run: Run, weights: list[PrunableWeight]) -> Iterator[Layer]:
    trial = run.first(TRIAL)
    passes = Passes(run)
    with passes.installed():
        size = passes.batch_size(passes.forward(trial), trial.size)

    def through() -> Iterator[Any]:
        for batch in run.batches(size):
            yield run.model(batch.x, training=False)

    yield from _one_by_one(run.only(weights), through)


def _one_by_one(run: Run, through: Callable[[], Iterator[Any]]) -> Iterator[Layer]:
    """The layers of the weights of a run, in the order in which the first batch calls them."""
    passes, order = Passes(run), list[int]()
    with passes.installed():
        passes.watch(lambda: next(through()), lambda call: order.append(id(call.layer)))
    for layer in dict.fromkeys(order):
        part = run.only([weight for weight in run.weights if id(weight.layer) == layer])
        if part.weights:
            yield Layer(part.weights, partial(_terms, part, through))


def _terms(run: Run, through: Callable[[], Iterator[Any]]) -> Iterator[Terms]:
    passes = Passes(run)
    with passes.installed():
        outputs = through()
        done = False
        while not done:
            calls: list[Any] = []
            done = passes.watch(lambda: next(outputs, None), calls.append) is None
            if calls:
                yield passes.terms(calls)


Operation = tuple[Any, Callable[[int], Any], int]


def _operations(graph: Any, batches: list[list[Any]]) -> Generator[Operation, None, list[list]]:
    """Runs a graph for all batches, an operation at a time; nested models by their operations.

    Yields:
        The operation, a function that runs it for the batch of a number, and how many batches
        there are.

    Returns:
        The outputs of each batch, flat.
    """
    values = [{id(t): v for t, v in zip(graph.inputs, x, strict=True)} for x in batches]
    nodes = list(nodes_in_order(graph))
    uses = Counter(id(t) for node in nodes for t in node.input_tensors)
    uses.update(id(t) for t in graph.outputs)
    for node in nodes:
        if any(id(t) not in values[0] for t in node.input_tensors):
            continue  # a part that leads to no output
        inner: Any = graph_of(node.operation) if isinstance(node.operation, keras.Model) else None

        def call(number: int, node: Any = node) -> Any:
            args, kwargs = node.arguments.fill_in(values[number])
            if getattr(node.operation, "_call_has_training_arg", False):
                kwargs = {**kwargs, "training": False}
            return node.operation(*args, **kwargs)

        if inner is None:
            yield node.operation, call, len(values)
            made: Iterator[Any] = (keras.tree.flatten(call(n)) for n in range(len(values)))
        else:
            given = []
            for each in values:
                args, kwargs = node.arguments.fill_in(each)
                given.append(inner._standardize_inputs(args[0] if args else kwargs["inputs"]))
            made = iter((yield from _operations(inner, given)))
        for number, outputs in enumerate(made):
            values[number].update({id(t): v for t, v in zip(node.outputs, outputs, strict=True)})
        for tensor in node.input_tensors:
            uses[id(tensor)] -= 1
            if not uses[id(tensor)]:
                for each in values:
                    each.pop(id(tensor), None)
    return [[each[id(t)] for t in graph.outputs] for each in values]


def _shared(graph: Any) -> bool:
    """Whether an operation with weights runs more than once."""
    times = Counter(
        id(node.operation)
        for node in nodes_in_order(graph)
        if isinstance(node.operation, keras.Layer) and node.operation.weights
    )
    inner = [
        graph_of(node.operation)
        for node in nodes_in_order(graph)
        if isinstance(node.operation, keras.Model)
    ]
    return max(times.values(), default=0) > 1 or any(g is not None and _shared(g) for g in inner)


def _held(run: Run, graph: Any, examples: int) -> int:
    """About how many bytes of activations wait between two operations; one example is tried."""
    one = [graph._standardize_inputs(run.first(1).x)]
    most = 0
    for _, call, _ in _operations(graph, one):
        made = [x for x in keras.tree.flatten(call(0)) if isinstance(x, tf.Tensor)]
        most = max(most, sum(x.shape.num_elements() * x.dtype.size for x in made))
    return most * examples * _WAITING
