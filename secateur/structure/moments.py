"""Mean and variance of what reaches a layer, over all the examples, whatever batches they come in.

Chan, Golub, LeVeque (1983): the moments of parts, weighted by their counts, are those of the whole.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class Moments:
    """Moments of every channel, gathered batch by batch in 64-bit floats.

    Attributes:
        count: Positions that were counted, those of all examples.
        mean: Their mean in each channel.
        hidden: Whether there were some that could not be seen.
    """

    def __init__(self) -> None:
        self.count = 0
        self.hidden = False
        self.mean = np.zeros(())
        self._squares = np.zeros(())  # Σ (x - mean)²

    @property
    def variance(self) -> np.ndarray:
        """Of all the values, not an estimate for more of them: as BatchNorm divides."""
        return self._squares / self.count

    def add(self, x: Any, axis: int, mask: Any = None) -> tuple[np.ndarray, np.ndarray] | None:
        """Counts a batch in.

        Args:
            x: Values of any rank; each index of `axis` is a channel.
            axis: The channels' axis.
            mask: Which positions count, of the shape of `x` without its last axis.

        Returns:
            Mean and variance of this batch; None if no position of it counts.
        """
        values = np.moveaxis(np.asarray(tf.cast(x, tf.float64)), axis, -1)
        values = values.reshape(-1, values.shape[-1])
        if mask is not None:  # Keras takes one for channels last alone
            values = values[np.asarray(keras.ops.convert_to_numpy(mask), bool).ravel()]
        count = len(values)
        if not count:
            return None
        mean, squares = values.mean(0), np.square(values - values.mean(0)).sum(0)
        total = self.count + count
        apart = mean - self.mean
        self._squares = self._squares + squares + np.square(apart) * self.count * count / total
        self.mean = self.mean + apart * (count / total)
        self.count = total
        return mean, squares / count
