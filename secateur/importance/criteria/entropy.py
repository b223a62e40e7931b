from __future__ import annotations

import numpy as np
import tensorflow as tf

from secateur.importance.activations import Activations, Seen
from secateur.importance.run import Run

BINS = 100


def entropy(run: Run) -> dict[str, np.ndarray]:
    """−Σ_k p_k log p_k, the entropy in nats of a unit's activation, averaged over positions.

    For each example the positions are averaged (global average pooling); p_k is the share of
    examples in the k-th of 100 equal bins between the unit's least and largest value. A unit
    that always says the same has entropy 0 and goes first. The examples are gone over twice: for
    the ranges and for the bins.

    Source: Luo & Wu 2017, "An entropy-based pruning method for CNN compression", eq. 2.
    """
    activations = Activations(run)
    low: dict[str, tf.Tensor] = {}
    high: dict[str, tf.Tensor] = {}
    for path, seen in activations.each():
        means = _means(seen)
        least, most = tf.reduce_min(means, 0), tf.reduce_max(means, 0)
        low[path] = tf.minimum(low.get(path, least), least)
        high[path] = tf.maximum(high.get(path, most), most)

    def counts(path: str, seen: Seen) -> tf.Tensor:
        width = tf.maximum(high[path] - low[path], np.finfo(np.float32).tiny)
        bins = tf.cast((_means(seen) - low[path]) / width * BINS, tf.int32)
        bins = tf.clip_by_value(bins, 0, BINS - 1)
        return tf.math.bincount(tf.transpose(bins), minlength=BINS, axis=-1, dtype=tf.float32)

    sums = activations.totals(counts)
    return {
        path: _entropy(total / total.sum(1, keepdims=True)) for path, (total, _) in sums.items()
    }


def _means(seen: Seen) -> tf.Tensor:
    return tf.reduce_mean(seen.values, 1)


def _entropy(counts: np.ndarray) -> np.ndarray:
    shares = counts / counts.sum(1, keepdims=True)
    logs = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
    return np.abs(-(shares * logs).sum(1))
