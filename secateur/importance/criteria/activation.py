from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from secateur.importance.activations import Activations, Seen
from secateur.importance.data import Batch
from secateur.importance.losses import compiled_loss
from secateur.importance.run import Run
from secateur.models.weights import flat_layers
from secateur.proof.activations import ActivationsOneByOne
from secateur.proof.record import ProofError
from secateur.proof.scores import HALF, MOST, TOLERANCE, check, compare, count_examples


def activation(run: Run) -> dict[str, np.ndarray]:
    """R_a = Σ_i |∂L_i/∂a|, the absolute gradient of each example's loss by the activation.

    A unit that is active at several positions (pixels, time steps) adds up all of them: each
    is an activation of its own. A few examples are computed one by one; where a batch does not give
    the same, all are.
    """
    run = _proved(run)
    sums = Activations(run).totals(lambda _, seen: _sizes(seen, [0, 1]), gradients=True)
    return {path: total for path, (total, _) in sums.items()}


def _sizes(seen: Seen, axes: list[int]) -> tf.Tensor:
    return tf.reduce_sum(tf.abs(seen.deltas), axes)


class _Batch(NamedTuple):
    """What a batch gives, claimed to be what its examples give."""

    calls: list[Seen]
    examples: int

    def row(self, example: int) -> Any:
        if any(seen.deltas.shape[0] != self.examples for seen in self.calls):
            return None  # a row is no example, which sums over all positions do not need
        return sum(_sizes(seen, [1])[example].numpy() for seen in self.calls)

    def total(self, power: int | None) -> Any:
        return sum(_sizes(seen, [0, 1]).numpy() for seen in self.calls)


def _proved(run: Run) -> Run:
    """The run with a batch size that is proved: its own, or 1."""
    started = time.perf_counter()
    batch: Batch = run.first(MOST)
    activations = Activations(run)
    places = activations.places(batch)
    first = _claims(activations, batch.part(0, 1))
    units = {path: int(claim.calls[0].deltas.shape[-1]) for path, claim in first.items()}
    one = ActivationsOneByOne(
        run.model,
        {path: places[path] for path in units},
        units,
        *batch[:3],
        *compiled_loss(run.model, run.loss),
    )
    count = count_examples(one, batch.size)
    if count is None:
        run.note(
            "The model computes something else each time, in inference mode too: its scores are "
            "those of one draw and could not be checked."
        )
        return run
    half = any(layer.compute_dtype in ("float16", "bfloat16") for layer in flat_layers(run.model))
    tolerance, slow = HALF if half else TOLERANCE, ""
    found = _claims(activations, batch.part(0, count))
    verdict = compare(one, {p: [found[p]] for p in units}, count, [1], tolerance)
    if len(verdict.holds) < len(units):
        names = ", ".join(sorted(path for path in units if path not in verdict.holds))
        slow = (
            f"Activations of {names} depend on the other examples of a batch: all were computed "
            "one by one, which is exact but slower."
        )
        run.note(slow)
        verdict = compare(
            one, {p: [_Alone(activations, batch, p)] for p in units}, count, [], tolerance
        )
        for path in units:
            if path not in verdict.holds:
                raise ProofError(
                    f"The gradient by the activations of {path} is another than in a plain "
                    "backward pass of the same example: use another criterion, such as gradient."
                )
    what = "Gradients by activations"
    seconds = time.perf_counter() - started
    run.checks.append(check(what, verdict, count, tolerance, seconds, slow))
    if slow:
        run = run.only(run.weights)
        run.batch_size = 1
    return run


def _claims(activations: Activations, batch: Batch) -> dict[str, _Batch]:
    claims: dict[str, _Batch] = {}
    for path, seen in activations.seen(batch):
        claims.setdefault(path, _Batch([], batch.size)).calls.append(seen)
    return claims


class _Alone(NamedTuple):
    """What a batch of one gives."""

    activations: Activations
    batch: Batch
    path: str

    def row(self, example: int) -> Any:
        part = self.batch.part(example, example + 1)
        return _claims(self.activations, part)[self.path].total(1)

    def total(self, power: int | None) -> Any:
        return None
