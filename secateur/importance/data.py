"""Calibration data, one batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Batch(NamedTuple):
    """Some examples: inputs and labels as the model takes them, sample weights or None."""

    x: Any
    y: Any
    weights: Any
    size: int

    def part(self, low: int, high: int) -> Batch:
        """Examples `low` up to `high`."""

        def cut(tree: Any) -> Any:
            return None if tree is None else tf.nest.map_structure(lambda a: a[low:high], tree)

        return Batch(cut(self.x), cut(self.y), cut(self.weights), min(high, self.size) - low)


class Examples:
    """The examples that a criterion looks at, streamed: never more than one batch in memory.

    Args:
        data: `(x, y)` or `(x, y, sample_weight)` of arrays whose first axis is the examples (`x`
            and `y` may be lists or dicts of arrays, for several inputs or outputs; `y` may be
            None), or a batched `tf.data.Dataset` of such tuples or of inputs alone.
        limit: How many examples to use, at most. Arrays: drawn without replacement by `seed`.
            Datasets: the first ones.
        seed: Seed of that draw.
    """

    def __init__(self, data: Any, *, limit: int | None = None, seed: int = 0):
        if limit is not None and limit < 1:
            raise ValueError(f"examples must be at least 1 or None for all, not {limit}.")
        self._limit = limit
        self._seed = seed
        self._dataset: tf.data.Dataset | None = None
        if isinstance(data, tf.data.Dataset):
            self._dataset = data
            return
        if not isinstance(data, tuple) or not 2 <= len(data) <= 3:
            raise ValueError(
                "data must be a tuple (x, y) of arrays or a batched tf.data.Dataset of them, "
                f"not {type(data).__name__}."
            )
        x, y, weights = (*data, None)[:3]
        self._arrays = (x, y, weights)
        sizes = {len(a) for tree in self._arrays if tree is not None for a in tf.nest.flatten(tree)}
        if len(sizes) != 1:
            raise ValueError(
                f"The arrays of data differ in their number of examples: {sorted(sizes)}."
            )
        size = sizes.pop()
        if size == 0:
            raise ValueError("data holds no examples.")
        self._order: np.ndarray | None = None
        if limit is not None and limit < size:
            drawn = np.random.default_rng(seed).choice(size, limit, replace=False)
            self._order = np.sort(drawn)
            size = limit
        self._size = size

    @property
    def size(self) -> int | None:
        """How many examples there are at most; None if a dataset does not say."""
        if self._dataset is None:
            return self._size
        return self._limit

    def batches(self, size: int, *, shuffled: bool = False) -> Iterator[Batch]:
        """Yields batches of at most `size` examples, in the same order every time.

        Args:
            size: Examples in a batch.
            shuffled: Whether arrays are gone through in an order drawn by the seed.
        """
        if self._dataset is None:
            source = self._from_arrays(size, shuffled)
        else:
            source = self._from_dataset(size)
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

    def _from_arrays(self, size: int, shuffled: bool) -> Iterator[Batch]:
        order = self._order
        if shuffled:
            order = np.arange(self._size) if order is None else order.copy()
            np.random.default_rng(self._seed).shuffle(order)
        for low in range(0, self._size, size):
            high = min(low + size, self._size)
            take: Any = slice(low, high) if order is None else order[low:high]
            x, y, weights = (_taken(tree, take) for tree in self._arrays)
            yield Batch(x, y, weights, high - low)

    def _from_dataset(self, size: int) -> Iterator[Batch]:
        assert self._dataset is not None
        left = self._limit
        for element in self._dataset.prefetch(1):
            parts = element if isinstance(element, tuple) else (element,)
            if not 1 <= len(parts) <= 3:
                raise ValueError(
                    "The dataset must yield (x, y) or (x, y, sample_weight), "
                    f"not {len(parts)} parts."
                )
            x, y, weights = (*parts, None, None)[:3]
            sizes = {int(leaf.shape[0]) if leaf.shape.rank else None for leaf in tf.nest.flatten(x)}
            count = sizes.pop()
            if sizes or count is None:
                raise ValueError("The dataset must be batched: call .batch(n) on it.")
            whole = Batch(x, y, weights, count)
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
    if tree is None:
        return None
    return tf.nest.map_structure(lambda a: tf.convert_to_tensor(_rows(a, take)), tree)


def _rows(array: Any, take: Any) -> Any:
    if isinstance(array, tf.Tensor) and not isinstance(take, slice):
        return tf.gather(array, take)
    return array[take]
