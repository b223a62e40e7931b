"""One update of dynamic sparse training: some weights go, as many others come."""

from __future__ import annotations

import math

import numpy as np


def rewire(weight: np.ndarray, mask: np.ndarray, growth: np.ndarray, count: int) -> np.ndarray:
    """Drops the `count` smallest of the weights that live, and lets `count` others grow.

    Those grow whose `growth` is highest among all that are not alive then: a weight that was just
    dropped can grow back at once (Evci et al. 2020, "Rigging the lottery", algorithm 1). Of equal
    magnitudes the first goes, of equal growths the last comes.

    Args:
        weight: Values, any shape.
        mask: Which live, True = kept; same shape.
        growth: What a weight that does not live promises, not negative; same shape.
        count: From 0 to the number of weights that live.

    Returns:
        The new mask; it keeps exactly as many.
    """
    new = mask.reshape(-1).copy()
    living = np.flatnonzero(new)
    new[living[_highest(-np.abs(weight.reshape(-1)[living]), count, last=False)]] = False
    idle = np.flatnonzero(~new)
    new[idle[_highest(growth.reshape(-1)[idle], count, last=True)]] = True
    return new.reshape(mask.shape)


def _highest(values: np.ndarray, count: int, *, last: bool) -> np.ndarray:
    """Places of the `count` highest; of equal ones the last or the first. Sorts nothing."""
    if count == 0:
        return np.zeros(0, np.int64)
    bar = np.partition(values, values.size - count)[values.size - count]
    above, equal = np.flatnonzero(values > bar), np.flatnonzero(values == bar)
    short = count - above.size
    return np.concatenate([above, equal[equal.size - short :] if last else equal[:short]])


def cosine(fraction: float, step: int, end: int) -> float:
    """RigL's share of weights to move: `fraction / 2 · (1 + cos(π · step / end))`, 0 from `end`."""
    return fraction / 2 * (1 + math.cos(math.pi * min(step, end) / end))
