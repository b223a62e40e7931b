"""Σ over examples of ∂L_i/∂w, |∂L_i/∂w| or its square for every prunable weight."""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.src.models.functional import Functional

from secateur.importance.data import Batch
from secateur.importance.gradients.forms import form_of
from secateur.importance.gradients.loop import looped_sums
from secateur.importance.gradients.passes import TRIAL, Passes
from secateur.importance.gradients.terms import signed_total, weight_total
from secateur.importance.run import Run
from secateur.models.weights import PrunableWeight, flat_layers


def per_example_sums(run: Run, power: int) -> dict[str, np.ndarray]:
    """Σ_i |∂L_i/∂w|^power over all examples, exact, in inference mode.

    A few examples are tried first, once for each model made of Keras's own layers and each time for
    others: where the closed forms, summed with their sign, do not give the gradient of a plain
    backward pass (a weight used outside its layer, a layer that does something else), that weight
    goes the slow way, example by example, and a notice says so.

    Args:
        run: The model, its weights, the examples and the loss.
        power: 1 for absolute values, 2 for squares.

    Returns:
        Weight path -> float64 array of the weight's shape.
    """
    passes = Passes(run)
    sums = {w.path: np.zeros(tuple(w.variable.shape)) for w in run.weights}
    with passes.installed():
        closed, looped, size = _try_out(run, passes)
        for batch in run.batches(size) if closed else ():
            calls, _ = passes.backward(batch, [])
            terms = passes.terms(calls)
            del calls
            for weight in closed:
                found = terms.pop(id(weight.variable), None)
                if found:
                    _add(sums[weight.path], weight_total(found, power))
    if looped:
        loop = looped_sums(run.model, [w.variable for w in looped], run.losses, power)
        for batch in run.batches(size):
            for weight, total in zip(looped, loop(batch), strict=True):
                _add(sums[weight.path], total)
    return sums


def signed_sums(run: Run) -> dict[str, np.ndarray]:
    """Σ_i ∂L_i/∂w over all examples, in inference mode: plain backward passes.

    Returns:
        Weight path -> float64 array of the weight's shape.
    """
    passes = Passes(run)
    variables = [w.variable for w in run.weights]
    sums = {w.path: np.zeros(tuple(w.variable.shape)) for w in run.weights}
    first = run.first(TRIAL)
    with passes.installed():
        size = passes.batch_size(passes.forward(first), first.size)
    values = [v.value for v in variables]
    for batch in run.batches(size):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            predictions = run.model(batch.x, training=False)
            loss = tf.reduce_sum(run.losses(batch.y, predictions, batch.weights))
        for weight, gradient in zip(run.weights, tape.gradient(loss, values), strict=True):
            if gradient is not None:
                _add(sums[weight.path], tf.convert_to_tensor(gradient))
    return sums


class _Proof(NamedTuple):
    """What a trial has shown of a model.

    Attributes:
        asked: What it was tried with: another trial is due where that differs.
        loss: The loss, kept so that no other one can take its id.
        closed: Paths of the weights whose closed form holds.
        unreached: Paths of the weights that no gradient reaches.
        size: Examples to run at a time.
    """

    asked: Any
    loss: Any
    closed: frozenset[str]
    unreached: frozenset[str]
    size: int


_PROOFS: weakref.WeakKeyDictionary[keras.Model, _Proof] = weakref.WeakKeyDictionary()
"""The last trial of each model whose graph cannot change: criteria run again and again on one."""


def _try_out(run: Run, passes: Passes) -> tuple[list[PrunableWeight], list[PrunableWeight], int]:
    """Splits the weights into those with a proven closed form and the others; the batch size."""
    batch: Batch = run.first(TRIAL)
    asked = _asked(run, batch)
    proof = _PROOFS.get(run.model)
    if proof is None or proof.asked != asked:
        proof = _prove(run, passes, batch, asked)
        if _is_fixed(run.model):
            _PROOFS[run.model] = proof
    closed = [w for w in run.weights if w.path in proof.closed]
    looped = [w for w in run.weights if w.path not in proof.closed]
    for path in (w.path for w in run.weights if w.path in proof.unreached):
        run.note(f"No gradient reaches {path!r}: its scores are zero.")
    if looped:
        names = ", ".join(sorted({w.layer_path for w in looped}))
        run.note(
            f"There is no closed form of the per-example gradient of {names}: "
            "computed example by example, which is exact but slower."
        )
    return closed, looped, proof.size


def _prove(run: Run, passes: Passes, batch: Batch, asked: Any) -> _Proof:
    calls, plain = passes.backward(batch, [w.variable for w in run.weights])
    terms = passes.terms(calls)
    half = any(layer.compute_dtype in ("float16", "bfloat16") for layer in flat_layers(run.model))
    closed, unreached = set[str](), set[str]()
    for weight, expected in zip(run.weights, plain, strict=True):
        found = terms.get(id(weight.variable))
        zeros = np.zeros(tuple(weight.variable.shape))
        ours = signed_total(found).numpy() if found else zeros
        wanted = zeros if expected is None else tf.convert_to_tensor(expected).numpy()
        if _agree(ours, wanted, 0.05 if half else 1e-3):
            closed.add(weight.path)
        if expected is None:
            unreached.add(weight.path)
    size = passes.batch_size(calls, batch.size)
    return _Proof(asked, run.given_loss, frozenset(closed), frozenset(unreached), size)


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


def _agree(ours: np.ndarray, wanted: np.ndarray, tolerance: float) -> bool:
    wanted = wanted.astype(ours.dtype, copy=False)
    scale = np.abs(wanted).max(initial=0.0)
    return bool(np.abs(ours - wanted).max(initial=0.0) <= tolerance * scale)


def _add(total: np.ndarray, part: tf.Tensor) -> None:
    np.add(total, part.numpy(), out=total)
