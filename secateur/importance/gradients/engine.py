"""Σ over examples of ∂L_i/∂w, |∂L_i/∂w| or its square for every prunable weight."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from secateur.importance.data import Batch
from secateur.importance.gradients.loop import looped_sums
from secateur.importance.gradients.passes import TRIAL, Passes
from secateur.importance.gradients.terms import signed_total, weight_total
from secateur.importance.run import Run
from secateur.models.weights import PrunableWeight, flat_layers


def per_example_sums(run: Run, power: int) -> dict[str, np.ndarray]:
    """Σ_i |∂L_i/∂w|^power over all examples, exact, in inference mode.

    A few examples are tried first: where the closed forms, summed with their sign, do not give
    the gradient of a plain backward pass (a weight used outside its layer, a layer that does
    something else), that weight goes the slow way, example by example, and a notice says so.

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


def _try_out(run: Run, passes: Passes) -> tuple[list[PrunableWeight], list[PrunableWeight], int]:
    """Splits the weights into those with a proven closed form and the others; the batch size."""
    batch: Batch = run.first(TRIAL)
    calls, plain = passes.backward(batch, [w.variable for w in run.weights])
    terms = passes.terms(calls)
    half = any(layer.compute_dtype in ("float16", "bfloat16") for layer in flat_layers(run.model))
    closed: list[PrunableWeight] = []
    looped: list[PrunableWeight] = []
    for weight, expected in zip(run.weights, plain, strict=True):
        found = terms.get(id(weight.variable))
        zeros = np.zeros(tuple(weight.variable.shape))
        ours = signed_total(found).numpy() if found else zeros
        wanted = zeros if expected is None else tf.convert_to_tensor(expected).numpy()
        proven = _agree(ours, wanted, 0.05 if half else 1e-3)
        (closed if proven else looped).append(weight)
        if expected is None:
            run.note(f"No gradient reaches {weight.path!r}: its scores are zero.")
    if looped:
        names = ", ".join(sorted({w.layer_path for w in looped}))
        run.note(
            f"There is no closed form of the per-example gradient of {names}: "
            "computed example by example, which is exact but slower."
        )
    return closed, looped, passes.batch_size(calls, batch.size)


def _agree(ours: np.ndarray, wanted: np.ndarray, tolerance: float) -> bool:
    wanted = wanted.astype(ours.dtype, copy=False)
    scale = np.abs(wanted).max(initial=0.0)
    return bool(np.abs(ours - wanted).max(initial=0.0) <= tolerance * scale)


def _add(total: np.ndarray, part: tf.Tensor) -> None:
    np.add(total, part.numpy(), out=total)
