"""Σ over examples of ∂L_i/∂w, |∂L_i/∂w| or its square for every prunable weight."""

from __future__ import annotations

import time
import weakref
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.src.models.functional import Functional

from secateur.importance.data import Batch
from secateur.importance.gradients.forms import form_of
from secateur.importance.gradients.loop import looped_sums
from secateur.importance.gradients.passes import Passes
from secateur.importance.gradients.terms import Order, Term, by_example, orders, weight_total
from secateur.importance.losses import compiled_loss
from secateur.importance.run import Run
from secateur.models.weights import PrunableWeight, flat_layers
from secateur.proof.record import Check, ProofError
from secateur.proof.scores import (
    HALF,
    MOST,
    TOLERANCE,
    OneByOne,
    agree,
    check,
    compare,
    count_examples,
)


def per_example_sums(run: Run, power: int) -> dict[str, np.ndarray]:
    """Σ_i |∂L_i/∂w|^power over all examples, exact, in inference mode.

    A few examples are computed one by one first, once for each model made of Keras's own layers and
    each time for others. Where the closed forms do not give the gradient of each of them (a weight
    used outside its layer, a layer that does something else, examples that see each other), that
    weight goes the slow way, example by example, and a notice says so.

    Args:
        run: The model, its weights, the examples and the loss.
        power: 1 for absolute values, 2 for squares.

    Returns:
        Weight path -> float64 array of the weight's shape.
    """
    passes = Passes(run)
    sums = {w.path: np.zeros(tuple(w.variable.shape)) for w in run.weights}
    trial = _try_out(run, passes)
    closed = [w for w in run.weights if w.path in trial.orders]
    with passes.installed():
        for batch in run.batches(trial.size) if closed else ():
            calls, _ = passes.backward(batch, [])
            terms = passes.terms(calls)
            del calls
            for weight in closed:
                found = terms.pop(id(weight.variable), None)
                if found:
                    order = trial.orders[weight.path]
                    _add(sums[weight.path], _total(weight, found, batch, order, power))
    _add_looped(run, trial, power, sums)
    return sums


def signed_sums(run: Run) -> dict[str, np.ndarray]:
    """Σ_i ∂L_i/∂w over all examples, in inference mode: plain backward passes.

    Returns:
        Weight path -> float64 array of the weight's shape.
    """
    passes = Passes(run)
    sums = {w.path: np.zeros(tuple(w.variable.shape)) for w in run.weights}
    trial = _try_out(run, passes, signed=True)
    closed = [w for w in run.weights if w.path in trial.orders]
    for batch in run.batches(trial.size) if closed else ():
        for path, gradient in _whole_gradients(run, closed, batch).items():
            if gradient is not None:
                _add(sums[path], gradient)
    _add_looped(run, trial, None, sums)
    return sums


def _total(
    weight: PrunableWeight, found: list[Term], batch: Batch, order: Order, power: int
) -> tf.Tensor:
    terms = by_example(found, batch.size, order)
    if terms is None:
        raise ProofError(
            f"{weight.path} sees the examples of a batch of {batch.size} in another order than "
            "those of the batch that was tried: pass batch_size=1."
        )
    return weight_total(terms, power)


def _add_looped(run: Run, trial: Trial, power: int | None, sums: dict[str, np.ndarray]) -> None:
    looped = [w for w in run.weights if w.path in trial.sums]
    if not looped:
        return
    loop = looped_sums(run.model, [w.variable for w in looped], run.loss, power)
    if any(trial.sums.values()):
        tried = loop(run.first(MOST).part(0, trial.examples))
        for weight, found in zip(looped, tried, strict=True):
            wanted = trial.sums[weight.path][power]
            if agree(found.numpy(), wanted, trial.tolerance) is None:
                raise ProofError(
                    f"The gradient of {weight.path} is another in a graph than in a plain backward "
                    "pass of the same examples: use a criterion without gradients, such as "
                    "magnitude."
                )
    for batch in run.batches(trial.size):
        for weight, total in zip(looped, loop(batch), strict=True):
            _add(sums[weight.path], total)


class Trial(NamedTuple):
    """What a trial has shown of a model.

    Attributes:
        asked: What it was tried with: another trial is due where that differs.
        loss: The loss, kept so that no other one can take its id.
        orders: Path of each weight whose closed form holds -> the order of its examples.
        unreached: Paths of the weights that no gradient reaches.
        sums: For each of the other weights, the right sums over the examples of the trial; empty
            where they are not known.
        examples: How many examples were computed one by one; 0 where the model computes something
            else each time.
        tolerance: Of the comparison.
        check: The line of the report.
        size: Examples to run at a time.
    """

    asked: Any
    loss: Any
    orders: dict[str, Order]
    unreached: frozenset[str]
    sums: dict[str, dict[int | None, np.ndarray]]
    examples: int
    tolerance: float
    check: Check | None
    size: int


_TRIALS: weakref.WeakKeyDictionary[keras.Model, Trial] = weakref.WeakKeyDictionary()
"""The last trial of each model whose graph cannot change: criteria run again and again on one."""


def _try_out(run: Run, passes: Passes, *, signed: bool = False) -> Trial:
    """Finds out which weights have a closed form that holds, and tells it."""
    batch: Batch = run.first(MOST)
    asked = signed, _asked(run, batch)
    trial = _TRIALS.get(run.model)
    if trial is None or trial.asked != asked:
        trial = _prove(run, passes, batch, asked, signed)
        if _is_fixed(run.model):
            # The weights may change before it is asked again; what was found of the graph does not.
            _TRIALS[run.model] = trial._replace(sums={path: {} for path in trial.sums})
    for path in (w.path for w in run.weights if w.path in trial.unreached):
        run.note(f"No gradient reaches {path!r}: its scores are zero.")
    if not trial.examples:
        run.note(
            "The model computes something else each time, in inference mode too: its scores are "
            "those of one draw, computed example by example, and could not be checked."
        )
    elif trial.sums:
        run.note(_slow(run, trial.sums))
    if trial.check is not None:
        run.checks.append(trial.check)
    return trial


def _slow(run: Run, paths: Collection[str]) -> str:
    names = ", ".join(sorted({w.layer_path for w in run.weights if w.path in paths}))
    return (
        f"There is no closed form of the per-example gradient of {names}: "
        "computed example by example, which is exact but slower."
    )


def _prove(run: Run, passes: Passes, batch: Batch, asked: Any, signed: bool) -> Trial:
    started = time.perf_counter()
    half = any(layer.compute_dtype in ("float16", "bfloat16") for layer in flat_layers(run.model))
    tolerance = HALF if half else TOLERANCE
    variables = {w.path: w.variable for w in run.weights}
    one = OneByOne(run.model, variables, *batch[:3], *compiled_loss(run.model, run.loss))
    count = count_examples(one, batch.size)
    with passes.installed():
        size = passes.batch_size(passes.forward(batch), batch.size)
    if count is None:
        sums: dict[str, Any] = {path: {} for path in variables}
        return Trial(asked, run.given_loss, {}, frozenset(), sums, 0, tolerance, None, size)
    few = batch.part(0, count)
    claims: dict[str, list[Any]]
    if signed:
        whole = _whole_gradients(run, run.weights, few)
        claims = {path: [_Whole(gradient)] for path, gradient in whole.items()}
    else:
        with passes.installed():
            terms = passes.terms(passes.backward(few, [])[0])
        claims = {
            w.path: [
                _Closed(order, found, by_example(found, count, order))
                for found in (terms.get(id(w.variable), []),)
                for order in (orders(found, count) if found else ())
            ]
            for w in run.weights
        }
    verdict = compare(one, claims, count, [None] if signed else [1, 2], tolerance)
    seconds = time.perf_counter() - started
    slow = _slow(run, verdict.sums) if verdict.sums else ""
    what = "Summed gradients" if signed else "Gradients of each example, and sums of their sizes,"
    line = check(what, verdict, count, tolerance, seconds, slow)
    ways: dict[str, Order] = {
        path: "rows" if signed else claims[path][number].order
        for path, number in verdict.holds.items()
    }
    ways |= dict.fromkeys(verdict.unreached, "rows")
    # A batch of one does not show in which order the examples of a larger one are.
    size = 1 if count == 1 else size
    return Trial(
        asked,
        run.given_loss,
        ways,
        verdict.unreached,
        verdict.sums,
        count,
        tolerance,
        line,
        size,
    )


class _Closed(NamedTuple):
    """A closed form, claimed to give each example's gradient."""

    order: Order
    found: list[Term]
    terms: list[Term] | None

    def row(self, example: int) -> Any:
        assert self.terms is not None
        return sum(term.gradients(example, example + 1) for term in self.terms)[0].numpy()

    def total(self, power: int | None) -> Any:
        assert self.terms is not None
        assert power is not None
        return weight_total(self.terms, power).numpy()


class _Whole(NamedTuple):
    """The gradient of a batch, claimed to be the sum of those of its examples."""

    gradient: tf.Tensor | None

    def row(self, example: int) -> Any:
        return None

    def total(self, power: int | None) -> Any:
        return None if self.gradient is None else self.gradient.numpy()


def _whole_gradients(
    run: Run, weights: Sequence[PrunableWeight], batch: Batch
) -> dict[str, tf.Tensor | None]:
    """The gradient of the summed losses of a batch; None where nothing depends on the weight."""
    values = [w.variable.value for w in weights]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        predictions = run.model(batch.x, training=False)
        loss = tf.reduce_sum(run.losses(batch.y, predictions, batch.weights))
    return {
        w.path: None if g is None else tf.convert_to_tensor(g)
        for w, g in zip(weights, tape.gradient(loss, values), strict=True)
    }


def _asked(run: Run, batch: Batch) -> Any:
    """What a trial depends on beside the graph: shapes of the data, weights, loss, batch size."""
    shapes = [(tuple(x.shape), x.dtype) for x in tf.nest.flatten(batch.x)]
    weights = [(w.path, id(w.variable), form_of(w.layer)) for w in run.weights]
    return shapes, weights, id(run.given_loss), run.batch_size


def _is_fixed(model: keras.Model) -> bool:
    """Whether a model computes the same way each time: one of Keras's own layers, wired once."""
    return isinstance(model, keras.Sequential | Functional) and all(
        type(layer).__module__.partition(".")[0] == "keras"
        and not isinstance(layer, keras.layers.Lambda)
        for layer in (model, *flat_layers(model))
    )


def _add(total: np.ndarray, part: tf.Tensor) -> None:
    np.add(total, part.numpy(), out=total)
