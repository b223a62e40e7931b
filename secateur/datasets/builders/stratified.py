"""A test split that has the same share of each class, and is always the same."""

from __future__ import annotations

import numpy as np


def every_fifth(labels: np.ndarray) -> np.ndarray:
    """True at every fifth example of each class, in the order of `labels` (examples,)."""
    place = np.empty(len(labels), dtype=np.int64)  # the how-maniest of its class
    for label in np.unique(labels):
        (indices,) = np.nonzero(labels == label)
        place[indices] = np.arange(len(indices))
    return place % 5 == 4
