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
    smallest = np.argsort(np.abs(weight.reshape(-1)[living]), kind="stable")[:count]
    new[living[smallest]] = False
    idle = np.flatnonzero(~new)
    highest = np.argsort(growth.reshape(-1)[idle], kind="stable")[idle.size - count :]
    new[idle[highest]] = True
    return new.reshape(mask.shape)


def cosine(fraction: float, step: int, end: int) -> float:
    """RigL's share of weights to move: `fraction / 2 · (1 + cos(π · step / end))`, 0 from `end`."""
    return fraction / 2 * (1 + math.cos(math.pi * min(step, end) / end))
