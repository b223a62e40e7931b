from __future__ import annotations

import time

import numpy as np
import tensorflow as tf

from secateur.importance.activations import Activations, Seen
from secateur.importance.data import Batch
from secateur.importance.run import Run
from secateur.models.weights import flat_layers
from secateur.proof.record import Check
from secateur.proof.scores import HALF, MOST, TOLERANCE, agree

BINS = 100


def entropy(run: Run) -> dict[str, np.ndarray]:
    """−Σ_k p_k log p_k, the entropy in nats of a unit's activation, averaged over positions.

    For each example the positions are averaged (global average pooling); p_k is the share of
    examples in the k-th of 100 equal bins between the unit's least and largest value. A unit
    that always says the same has entropy 0 and goes first. The examples are gone over twice: for
    the ranges and for the bins. A few examples are run one by one first; where a batch does not
    give the same means, all are.

    Source: Luo & Wu 2017, "An entropy-based pruning method for CNN compression", eq. 2.
    """
    run = _proved(run)
    activations = Activations(run)
    low: dict[str, tf.Tensor] = {}
    high: dict[str, tf.Tensor] = {}
    for path, seen in activations.each():
        means = _means(seen, run.batch_size)
        least, most = tf.reduce_min(means, 0), tf.reduce_max(means, 0)
        low[path] = tf.minimum(low.get(path, least), least)
        high[path] = tf.maximum(high.get(path, most), most)

    def counts(path: str, seen: Seen) -> tf.Tensor:
        width = tf.maximum(high[path] - low[path], np.finfo(np.float32).tiny)
        bins = tf.cast((_means(seen, run.batch_size) - low[path]) / width * BINS, tf.int32)
        bins = tf.clip_by_value(bins, 0, BINS - 1)
        return tf.math.bincount(tf.transpose(bins), minlength=BINS, axis=-1, dtype=tf.float32)

    sums = activations.totals(counts)
    return {
        path: _entropy(total / total.sum(1, keepdims=True)) for path, (total, _) in sums.items()
    }


def _means(seen: Seen, batch_size: int | None) -> tf.Tensor:
    """(examples, units); of a batch of one all rows are that example's."""
    if batch_size == 1:
        return tf.reduce_mean(seen.values, [0, 1])[None]
    return tf.reduce_mean(seen.values, 1)


def _proved(run: Run) -> Run:
    """The run with a batch size that is proved: its own, or 1."""
    started = time.perf_counter()
    batch: Batch = run.first(MOST)
    activations = Activations(run)
    together = _by_call(activations, batch, None)
    alone = [_by_call(activations, batch.part(i, i + 1), 1) for i in range(batch.size)]
    half = any(layer.compute_dtype in ("float16", "bfloat16") for layer in flat_layers(run.model))
    tolerance, worst, wrong = HALF if half else TOLERANCE, 0.0, []
    for path, calls in together.items():
        wanted = [np.concatenate(c) for c in zip(*(one[path] for one in alone), strict=True)]
        found = [agree(a, b, tolerance) for a, b in zip(calls, wanted, strict=True)]
        if None in found:
            wrong.append(path)
        worst = max(worst, *(x for x in (*found, 0.0) if x is not None))
    slow = ""
    if wrong:
        slow = (
            f" Activations of {', '.join(sorted(wrong))} do not have the examples first, or depend "
            "on the other examples of a batch: all were run one by one, which is exact but slower."
        )
        run.note(slow.strip())
    run.checks.append(
        Check(
            subject="scores",
            statement="Mean activations that were computed for a whole batch equal those of each "
            f"example alone ({len(together) - len(wrong)} weights).{slow}",
            examples=batch.size,
            difference=worst,
            tolerance=tolerance,
            seconds=time.perf_counter() - started,
        )
    )
    if wrong:
        run = run.only(run.weights)
        run.batch_size = 1
    return run


def _by_call(
    activations: Activations, batch: Batch, batch_size: int | None
) -> dict[str, list[np.ndarray]]:
    """Weight path -> for each call of its layer the means of the examples of a batch."""
    found: dict[str, list[np.ndarray]] = {}
    for path, seen in activations.seen(batch, gradients=False):
        found.setdefault(path, []).append(_means(seen, batch_size).numpy())
    return found


def _entropy(counts: np.ndarray) -> np.ndarray:
    shares = counts / counts.sum(1, keepdims=True)
    logs = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
    return np.abs(-(shares * logs).sum(1))
