"""Weights compared within each output of a kernel, as Wanda does it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_CHUNK = 1 << 22  # weights that are sorted at a time


def smallest_of_outputs(
    scores: np.ndarray, count: int, removed: np.ndarray | None = None
) -> np.ndarray:
    """A mask without `count` weights: as many of each output, those with its lowest scores.

    Where the outputs do not divide the number, those go on to lose one more whose next weight has
    the lowest score. What was removed before stays removed and counts; outputs that have lost more
    than their share already lose no more. Masks of growing counts are nested.

    Args:
        scores: Array (inputs, outputs), not negative.
        count: Weights to remove in all, those removed before included.
        removed: Boolean array of the same shape, True = removed before.

    Returns:
        Boolean array of the same shape, True = kept.
    """
    inputs, outputs = scores.shape
    gone = np.zeros(outputs, np.int64) if removed is None else removed.sum(0)
    level = _level(gone, count, inputs)
    wanted = np.maximum(gone, level)
    more = count - int(wanted.sum())
    if more > 0:
        following = np.full(outputs, np.inf)
        for part, ranked in _ranked(scores, removed):
            following[part] = np.partition(ranked, level, axis=0)[level]
        following[gone > level] = np.inf
        wanted[np.argsort(following, kind="stable")[:more]] += 1
    kept = np.empty(scores.shape, np.bool_)
    for part, ranked in _ranked(scores, removed):
        order = np.argsort(ranked, axis=0, kind="stable")
        stays = np.arange(inputs)[:, None] >= wanted[part]
        mask = np.empty(ranked.shape, np.bool_)
        np.put_along_axis(mask, order, stays, axis=0)
        kept[:, part] = mask
    return kept


def _level(gone: np.ndarray, count: int, inputs: int) -> int:
    """The most that can be removed of every output within the count."""
    low, high = 0, inputs
    while low < high:
        middle = (low + high + 1) // 2
        if int(np.maximum(gone, middle).sum()) <= count:
            low = middle
        else:
            high = middle - 1
    return low


def _ranked(scores: np.ndarray, removed: np.ndarray | None) -> Iterator[tuple[slice, np.ndarray]]:
    """Some outputs after the other, with scores below all others where a weight is gone."""
    inputs, outputs = scores.shape
    step = max(1, _CHUNK // max(1, inputs))
    for low in range(0, outputs, step):
        part = slice(low, min(low + step, outputs))
        some = scores[:, part]
        yield part, some if removed is None else np.where(removed[:, part], -1.0, some)
