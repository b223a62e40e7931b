"""Statistics of BatchNorm, measured anew on what is left of a network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from secateur.importance.data import Batch, Examples
from secateur.models.weights import flat_layers
from secateur.proof.record import Check
from secateur.proof.statistics import prove_statistics
from secateur.structure.moments import Moments

NORM_EXAMPLES = 2048
"""Over which BatchNorm is measured anew; its statistics hardly change with more."""
_SETTLED = 1e-4
"""Change of mean (in deviations) and variance (as a share) that needs no further pass."""


class Remeasured(NamedTuple):
    """What came of measuring anew.

    Attributes:
        notices: What was left as it was, and why.
        checks: What was proved of the statistics; empty where nothing was measured.
    """

    notices: list[str]
    checks: list[Check]


def remeasure(
    model: keras.Model, data: Callable[[], Any], *, examples: int | None, seed: int
) -> Remeasured:
    """`recalibrate` where a model has BatchNormalization; what it refuses is told, not raised.

    Args:
        model: Any model; it is changed in place.
        data: Gives the data, and is called only if there is something to measure.
        examples: As for `recalibrate`.
        seed: As for `recalibrate`.

    Raises:
        ProofError: If the statistics are not those of the data.
    """
    norms = _norms(model)
    if not norms:
        return Remeasured([], [])
    batches = _batches(data(), examples, 256, seed)
    try:
        _settle(model, norms, batches)
    except _LeftAloneError as error:
        return Remeasured([str(error)], [])
    return Remeasured([], [prove_statistics(model, norms, [batch.x for batch in batches()])])


def recalibrate(
    model: keras.Model,
    data: Any,
    *,
    examples: int | None = NORM_EXAMPLES,
    batch_size: int = 256,
    seed: int = 0,
) -> int:
    """Sets mean and variance of every BatchNormalization to those of what reaches it.

    They are the exact moments over all the examples and positions, masked ones left out, with the
    model in inference mode: what a layer is given depends on the statistics of those before it, so
    the examples go through until nothing changes. Each pass makes one more layer in a row exact,
    and the first one goes with the statistics of each batch (Wu & Johnson 2021), from which the
    others need little. So neither the size of a batch nor the number of examples in the last one
    has a part in the result. Dropout and noise stay off, and nothing else of the model changes.
    Frozen layers (`trainable=False`) keep their statistics, as they do in training.

    Args:
        model: A built model of any kind that can run eagerly; it is changed in place.
        data: Training data, as for `importance.score`; labels are not read. Of a dataset that is
            shuffled at each pass, give all examples (`examples=None`) or so many as it keeps.
        examples: How many examples to look at, at most; None for all.
        batch_size: Examples in a batch.
        seed: Seed of the draw of the examples.

    Returns:
        How many layers were measured; 0 if there is no BatchNormalization, or none in training.

    Raises:
        ValueError: If a layer cannot be looked into, is not reached, or gets values that are not
            finite; the model is then as before.
    """
    norms = _norms(model)
    if norms:
        _settle(model, norms, _batches(data, examples, batch_size, seed))
    return len(norms)


class _LeftAloneError(ValueError):
    """Why the statistics of a model stay as they were."""


def _norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    kind = keras.layers.BatchNormalization
    return [each for each in flat_layers(model) if isinstance(each, kind) and each.trainable]


def _batches(
    data: Any, examples: int | None, size: int, seed: int
) -> Callable[[], Iterable[Batch]]:
    """Gives the same batches at each call: a dataset may give others when it is read again."""
    source = Examples(data, limit=examples, seed=seed)
    if source.repeats or examples is None:
        return lambda: source.batches(size, shuffled=True)
    kept = list(source.batches(size))
    return lambda: kept


def _settle(
    model: keras.Model,
    norms: list[keras.layers.BatchNormalization],
    batches: Callable[[], Iterable[Batch]],
) -> None:
    """Passes until the statistics change no more; as many as layers make all of them exact."""
    before = [[np.array(v) for v in layer.non_trainable_variables] for layer in norms]
    try:
        for number in range(len(norms) + 1):
            found = _pass(model, norms, batches(), own=number == 0)
            changes = [_set(layer, found[id(layer)]) for layer in norms]
            if number and max(changes) < _SETTLED:
                break
    except BaseException:
        for layer, values in zip(norms, before, strict=True):
            for variable, value in zip(layer.non_trainable_variables, values, strict=True):
                variable.assign(value)
        raise


def _pass(
    model: keras.Model,
    norms: list[keras.layers.BatchNormalization],
    batches: Iterable[Batch],
    *,
    own: bool,
) -> dict[int, Moments]:
    """id of a layer -> moments of what reached it; `own`: a batch is normalized by its own."""
    found = {id(layer): Moments() for layer in norms}
    with contextlib.ExitStack() as stack:
        for layer in norms:
            stack.enter_context(_watched(layer, found[id(layer)], own))
        for batch in batches:
            model(batch.x, training=False)
    for layer in norms:
        moments = found[id(layer)]
        if moments.hidden or not moments.count:
            raise _LeftAloneError(
                f"BatchNorm in '{model.name}' was not measured anew: what reaches '{layer.name}' "
                "cannot be seen, because it runs inside of a traced function, or nothing does. "
                "Fine-tune the model for an epoch instead."
            )
        if not (np.isfinite(moments.mean).all() and np.isfinite(moments.variance).all()):
            raise _LeftAloneError(
                f"BatchNorm in '{model.name}' was not measured anew: what reaches '{layer.name}' "
                "is not finite. Look for NaN in the data and in the weights."
            )
    return found


@contextlib.contextmanager
def _watched(layer: keras.layers.BatchNormalization, moments: Moments, own: bool) -> Iterator[None]:
    """Counts what the layer is called on; Keras calls what stands in the layer itself."""
    call = layer.call

    def watching(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not isinstance(inputs, tf.Tensor) or not hasattr(inputs, "numpy"):
            moments.hidden = True  # told later: Keras rewrites what is raised in a call
            return call(inputs, training=False, mask=mask)
        batch = moments.add(inputs, layer.axis, mask)
        if own and batch is not None:
            layer.moving_mean.assign(batch[0])
            layer.moving_variance.assign(batch[1])
        return call(inputs, training=False, mask=mask)

    object.__setattr__(layer, "call", watching)
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


def _set(layer: keras.layers.BatchNormalization, moments: Moments) -> float:
    """Gives a layer its statistics; returns how far they are from those that it had."""
    mean, variance = moments.mean, moments.variance
    spread = np.sqrt(variance + layer.epsilon)
    change = max(
        np.abs((np.array(layer.moving_mean) - mean) / spread).max(),
        np.abs((np.array(layer.moving_variance) - variance) / (variance + layer.epsilon)).max(),
    )
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(variance)
    if layer.renorm:  # what it keeps for training is of the same data
        layer.renorm_mean.assign(mean)
        for variable in (layer.moving_stddev, layer.renorm_stddev):
            variable.assign(spread)
    return float(change)
