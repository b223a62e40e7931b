"""Examples -> batches, fast and in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from secateur.datasets.dataset import Split, prepare_target
from secateur.datasets.rows import reading
from secateur.training.augment import Augment

IN_MEMORY = 2 << 30
"""Bytes of inputs up to which a split is held in memory; a larger one is read from its file."""


def ordered(split: Split, batch_size: int, indices: np.ndarray | None = None) -> tf.data.Dataset:
    """Batches `(x, y)` of the whole split or of the examples at `indices`, in their order."""
    if indices is None:
        chosen = tf.data.Dataset.range(len(split))
    else:
        chosen = tf.data.Dataset.from_tensor_slices(indices)
    batches = chosen.batch(batch_size).map(_gather(split), **_threads(split)).prefetch(2)
    return batches.with_options(_OPTIONS)


def calibration(split: Split, examples: int | None, seed: int) -> Any:
    """Calibration data: all examples of a split, or some that are drawn by `seed`.

    Returns:
        Arrays `(x, y)` where they are small enough, else a dataset of batches.
    """
    indices = chosen(split, examples, seed)
    count = len(split) if indices is None else len(indices)
    floats = sum(4 * count * int(np.prod(array.shape[1:])) for _, array, _ in split.parts())
    if floats <= IN_MEMORY:
        return split.arrays(indices)
    return ordered(split, 256, indices)


def chosen(split: Split, examples: int | None, seed: int) -> np.ndarray | None:
    """Indices of some examples, drawn by `seed`, in order; None for all of them."""
    if examples is None or examples >= len(split):
        return None
    return np.sort(np.random.default_rng(seed).permutation(len(split))[:examples])


def shuffled(
    split: Split,
    batch_size: int,
    seed: int,
    epoch: tf.Variable,
    augment: Augment | None = None,
) -> tf.data.Dataset:
    """Batches `(x, y)` of the whole split, shuffled anew at each iteration.

    The order, and what `augment` draws, are functions of `seed` and of the value of `epoch` when
    the iteration begins, so a training that goes on after a kill sees what it would have seen.

    Args:
        split: The examples.
        batch_size: Examples a batch; the last one can be smaller.
        seed: Any 32-bit integer.
        epoch: An int32 variable; set it before each epoch.
        augment: Changes the inputs, such as `augment.augmenter` gives.
    """
    count = len(split)
    gather = _gather(split)

    def batches(_):
        key = tf.stack([tf.constant(seed, tf.int32), epoch.read_value()])
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), key)
        chosen = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        if augment is None:
            return chosen.map(gather, **_threads(split))

        def changed(number, indices):
            x, y = gather(indices)
            return augment(x, tf.random.fold_in(key, tf.cast(number, tf.int32))), y

        return chosen.enumerate().map(changed, **_THREADS)

    return (
        tf.data.Dataset.range(1)
        .flat_map(batches)
        .apply(tf.data.experimental.assert_cardinality(-(-count // batch_size)))
        .prefetch(4)
        .with_options(_OPTIONS)
    )


_OPTIONS = tf.data.Options()
# TensorFlow 2.21's tuner often misses that an iterator ends, and then holds up the end of an epoch
# for as long as it last slept: as long as the epoch was, up to a minute.
_OPTIONS.autotune.enabled = False

_THREADS = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
"""Without the tuner, as many calls as the processor has threads."""


def _threads(split: Split) -> dict[str, Any]:
    """Several batches at a time where they come from a disk; a copy in memory is faster alone."""
    return {} if _in_memory(split) else _THREADS


def _in_memory(split: Split) -> bool:
    return split.input_bytes <= IN_MEMORY


def _gather(split: Split):
    """A function: indices of examples -> their prepared inputs and targets."""
    targets = split.each_target(lambda array: tf.constant(prepare_target(array)))
    in_memory = _in_memory(split)
    readers = split.each(lambda array, scale: (_reader(array, in_memory), scale))

    def prepared(reader, indices):
        read, scale = reader
        rows = read(indices)
        return tf.cast(rows, tf.int32) if scale is None else tf.cast(rows, tf.float32) * scale

    def gather(indices):
        if isinstance(readers, dict):
            inputs = {name: prepared(reader, indices) for name, reader in readers.items()}
        else:
            inputs = prepared(readers, indices)
        return inputs, tf.nest.map_structure(lambda array: tf.gather(array, indices), targets)

    return gather


def _reader(array: np.ndarray, in_memory: bool):
    """A function: indices of examples -> their stored inputs."""
    if in_memory:
        inputs = tf.constant(np.asarray(array))
        return lambda indices: tf.gather(inputs, indices)

    rows_at = reading(array)

    def read(indices):
        rows = tf.numpy_function(rows_at, [indices], array.dtype)
        rows.set_shape([None, *array.shape[1:]])
        return rows

    return read
