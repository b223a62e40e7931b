"""Calibration data, one batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from secateur.datasets.given import Arrays, batches_of, read


class Batch(NamedTuple):
    """Some examples: inputs and labels as the model takes them, sample weights or None."""

    x: Any
    y: Any
    weights: Any
    size: int

    def part(self, low: int, high: int) -> Batch:
        """Examples `low` up to `high`."""

        def cut(tree: Any) -> Any:
            return _mapped(lambda a: a[low:high], tree)

        return Batch(cut(self.x), cut(self.y), cut(self.weights), min(high, self.size) - low)


class Examples:
    """The examples that a criterion looks at, streamed: never more than one batch in memory.

    Args:
        data: See `secateur.datasets.given.read`.
        limit: How many examples to use, at most. Arrays: drawn without replacement by `seed`.
            Datasets and generators: the first ones.
        seed: Seed of that draw.
    """

    def __init__(self, data: Any, *, limit: int | None = None, seed: int = 0):
        if limit is not None and limit < 1:
            raise ValueError(f"examples must be at least 1 or None for all, not {limit}.")
        self._limit = limit
        self._seed = seed
        self._data = read(data, limit=limit)
        if not isinstance(self._data, Arrays):
            return
        size = self._data.size
        self._order: np.ndarray | None = None
        if limit is not None and limit < size:
            drawn = np.random.default_rng(seed).choice(size, limit, replace=False)
            self._order = np.sort(drawn)
            size = limit
        self._size = size

    @property
    def size(self) -> int | None:
        """How many examples there are at most; None if a dataset does not say."""
        return self._size if isinstance(self._data, Arrays) else self._limit

    @property
    def repeats(self) -> bool:
        """Whether the same examples are sure to come at each pass."""
        return isinstance(self._data, Arrays)

    def batches(self, size: int, *, shuffled: bool = False) -> Iterator[Batch]:
        """Yields batches of at most `size` examples, in the same order every time.

        Args:
            size: Examples in a batch.
            shuffled: Whether arrays are gone through in an order drawn by the seed.
        """
        if isinstance(self._data, Arrays):
            source = self._from_arrays(self._data, size, shuffled)
        else:
            source = self._from_dataset(self._data, size)
        empty = True
        for batch in source:
            empty = False
            yield batch
        if empty:
            raise ValueError("data holds no examples.")

    def first(self, count: int) -> Batch:
        """The first `count` examples, or fewer if there are no more (or the first batch ends)."""
        stream = self.batches(count)
        batch = next(stream)
        stream.close()  # type: ignore[attr-defined]
        return batch

    def _from_arrays(self, arrays: Arrays, size: int, shuffled: bool) -> Iterator[Batch]:
        order = self._order
        if shuffled:
            order = np.arange(self._size) if order is None else order.copy()
            np.random.default_rng(self._seed).shuffle(order)
        for low in range(0, self._size, size):
            high = min(low + size, self._size)
            take: Any = slice(low, high) if order is None else order[low:high]
            x, y, weights = (_taken(tree, take) for tree in arrays)
            yield Batch(x, y, weights, high - low)

    def _from_dataset(self, dataset: Any, size: int) -> Iterator[Batch]:
        left = self._limit
        for batch in batches_of(dataset):
            x, y, weights = (_tensors(tree) for tree in batch)
            whole = Batch(x, y, weights, batch.size)
            for low in range(0, whole.size, size):
                high = min(low + size, whole.size)
                if left is not None:
                    high = min(high, low + left)
                if high <= low:
                    return
                yield whole if (low, high) == (0, whole.size) else whole.part(low, high)
                if left is not None:
                    left -= high - low


def _taken(tree: Any, take: Any) -> Any:
    return _mapped(lambda a: tf.convert_to_tensor(_rows(a, take)), tree)


def _tensors(tree: Any) -> Any:
    return _mapped(tf.convert_to_tensor, tree)


def _mapped(change: Callable[[Any], Any], tree: Any) -> Any:
    return tf.nest.map_structure(lambda a: None if a is None else change(a), tree)


def _rows(array: Any, take: Any) -> Any:
    if isinstance(array, tf.Tensor) and not isinstance(take, slice):
        return tf.gather(array, take)
    return array[take]
