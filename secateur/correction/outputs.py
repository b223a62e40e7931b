"""Inputs of a layer in the pruned model, beside the outputs that it has in the dense model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from secateur.importance.data import Batch
from secateur.importance.gradients.capture import Call
from secateur.importance.gradients.passes import TRIAL, Passes
from secateur.importance.gradients.terms import Product, chunks
from secateur.importance.run import Run
from secateur.models.weights import PrunableWeight, prunable_weights

Kept = Mapping[str, Mapping[int, np.ndarray]]
"""Weight path -> axis -> positions that are left of it; what is not named is whole."""


_L = keras.layers
_CONVOLUTIONS = (_L.Conv1D, _L.Conv2D, _L.Conv3D, _L.DepthwiseConv1D, _L.DepthwiseConv2D)
_PLAIN = (_L.Dense, _L.EinsumDense, *_CONVOLUTIONS)
"""Layers whose output, before the activation, is input times kernel plus bias."""


class Rows(NamedTuple):
    """Some rows of one product: float32 (rows, groups, inputs) and (rows, groups, outputs)."""

    x: np.ndarray
    y: np.ndarray


class Site(NamedTuple):
    """A weight whose outputs can be fitted.

    Attributes:
        pruned: It in the pruned model.
        dense: The same in the dense model.
        calls: How often its layer has run when all its inputs have been seen.
        term: Shows how the weight is a product (groups, inputs, outputs).
        outputs: Which outputs of the dense layer are left: flat places (groups, outputs).
    """

    pruned: PrunableWeight
    dense: PrunableWeight
    calls: int
    term: Product
    outputs: np.ndarray


def sites(pruned: Run, dense: Run, kept: Kept) -> tuple[list[Site], list[str]]:
    """The weights that can be fitted, in the order in which they run, and those that cannot.

    Those of layers that are no plain product of their input (recurrent and transposed ones,
    separable convolutions, layers of other types) cannot; a looked-up table has nothing to fit
    and is in neither.
    """
    trial = pruned.first(TRIAL)
    calls, terms = _seen(pruned, trial)
    whole = _seen(dense, trial)[1]
    twins = {w.path: w for w in dense.weights}
    order: dict[int, int] = {}
    times: dict[int, int] = {}
    for number, call in enumerate(calls):
        order.setdefault(id(call.layer), number)
        times[id(call.layer)] = times.get(id(call.layer), 0) + 1
    found, unknown = [], []
    for weight in pruned.weights:
        twin = twins.get(weight.path)
        products = terms.get(id(weight.variable), [])
        other = whole.get(id(twin.variable), []) if twin else []
        if isinstance(weight.layer, keras.layers.Embedding):
            continue
        if not products or len(products) != len(other) or type(weight.layer) not in _PLAIN:
            unknown.append(weight.path)
            continue
        assert twin is not None
        places = _left(other[0], products[0], kept.get(weight.path, {}))
        site = Site(weight, twin, times[id(weight.layer)], products[0], places)
        found.append((order[id(weight.layer)], site))
    return [site for _, site in sorted(found, key=lambda pair: pair[0])], unknown


def rows(site: Site, pruned: Run, dense: Run, *, limit: int) -> Iterator[Rows]:
    """Inputs in the pruned model beside wanted outputs, a piece at a time.

    Args:
        site: The weight.
        pruned: A run of the pruned model, whose layers before this one are done.
        dense: A run of the dense model.
        limit: Examples that are enough.
    """
    mine, other = Passes(pruned.only([site.pruned])), Passes(dense.only([site.dense]))
    with mine.installed(), other.installed():
        trial = pruned.first(TRIAL)
        size = mine.batch_size(_calls(mine, trial, site.calls), trial.size)
        seen = 0
        for batch in pruned.batches(min(size, limit)):
            left = mine.terms(_calls(mine, batch, site.calls))[id(site.pruned.variable)]
            right = other.terms(_calls(other, batch, site.calls))[id(site.dense.variable)]
            for x, y in zip(left, right, strict=True):
                assert isinstance(x, Product)
                assert isinstance(y, Product)
                yield from _pieces(x, y, site.outputs)
            seen += batch.size
            if seen >= limit:
                return


def own_weights(model: keras.Model) -> list[PrunableWeight]:
    """The prunable weights of a model that train."""
    return [w for w in prunable_weights(model) if w.variable.trainable]


def _pieces(x: Product, y: Product, places: np.ndarray) -> Iterator[Rows]:
    groups, outputs = places.shape
    for low, high in chunks(x.examples, x.positions_cost):
        inputs = x.left(low, high).numpy()
        wanted = tf.reshape(y.right(low, high), [-1, y.sizes[2] * y.sizes[4]]).numpy()
        inputs = inputs.reshape(-1, *inputs.shape[2:])
        yield Rows(inputs, wanted[:, places.reshape(-1)].reshape(-1, groups, outputs))


class _Enough(BaseException):
    """Ends a forward pass early. No `Exception`: Keras makes others of those."""


def _calls(passes: Passes, batch: Batch, count: int) -> list[Call]:
    """The calls of the one layer that is watched; the model runs no further."""
    calls: list[Call] = []

    def take(call: Call) -> None:
        calls.append(call)
        if len(calls) == count:
            raise _Enough

    with contextlib.suppress(_Enough):
        passes.stream(batch, take)
    return calls


def _seen(run: Run, batch: Batch) -> tuple[list[Call], dict]:
    passes = Passes(run)
    with passes.installed():
        calls = passes.forward(batch)
        return calls, passes.terms(calls)


def _left(dense: Product, pruned: Product, kept: Mapping[int, np.ndarray]) -> np.ndarray:
    """Which outputs of the dense product those of the pruned one are, (groups, outputs)."""
    _, _, groups, inputs, outputs = dense.sizes
    numbers = np.arange(groups * outputs).reshape(groups, 1, outputs)
    places = dense.layout.array(np.broadcast_to(numbers, (groups, inputs, outputs)))
    for axis, index in kept.items():
        places = np.take(places, index, axis)
    return pruned.layout.inverse(places, pruned.sizes[2:])[:, 0]
