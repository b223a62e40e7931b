"""Histograms of weights and scores, a piece at a time, so that large arrays need no copies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from secateur.explanation.schema import Histogram, ScoreHistogram

BINS = 60
DECADES = 8
"""Decades of scores below the highest that a histogram shows; lower ones count in its first bin."""

_PIECE = 1 << 20
_TINY = float(np.finfo(np.float32).tiny)


def histogram(values: np.ndarray, low: float, high: float) -> Histogram:
    """Counts `values`, of any shape, in `BINS` bins from `low` to `high`; what lies outside, not.

    Of a range without width, the bins are around it.
    """
    if not low < high:
        low, high = low - 0.5, high + 0.5
    counts = np.zeros(BINS, np.int64)
    for piece in _pieces(values):
        counts += np.histogram(piece, BINS, (low, high))[0]
    return Histogram(low=low, high=high, counts=counts.tolist())


def score_histogram(
    scores: Sequence[np.ndarray], kept: Sequence[np.ndarray | None] | None
) -> ScoreHistogram:
    """Counts scores by their decimal logarithm, those of kept and of removed weights apart.

    Args:
        scores: Arrays of any shapes, finite and not negative.
        kept: For each a mask of its shape, True where the weight stayed; None in the place of one
            whose weights were not up for removal: all of them stayed. None alone: nothing is known.
    """
    high = math.log10(max(_highest(scores), _TINY))
    low = max(math.log10(_lowest(scores) or 1.0), high - DECADES)
    if not low < high:
        low, high = high - 0.5, high + 0.5
    counts = np.zeros((2, BINS), np.int64)
    zeros, lowest_kept, highest_removed = 0, math.inf, -math.inf
    for place, array in enumerate(scores):
        mask = kept[place] if kept is not None else None
        for piece, stays in zip(_pieces(array), _stays(mask, array.size), strict=True):
            zeros += int((piece == 0).sum())
            for row, some in enumerate((piece[stays], piece[~stays])):
                positive = np.log10(some[some > 0], dtype=np.float64)
                counts[row] += np.histogram(np.clip(positive, low, high), BINS, (low, high))[0]
                if some.size and row == 0:
                    lowest_kept = min(lowest_kept, float(some.min()))
                elif some.size:
                    highest_removed = max(highest_removed, float(some.max()))
    known = kept is not None
    return ScoreHistogram(
        low=low,
        high=high,
        kept=counts[0].tolist(),
        removed=counts[1].tolist() if known else None,
        zeros=zeros,
        lowest_kept=lowest_kept if known and math.isfinite(lowest_kept) else None,
        highest_removed=highest_removed if known and math.isfinite(highest_removed) else None,
    )


def _pieces(values: np.ndarray) -> Iterator[np.ndarray]:
    flat = np.asarray(values).reshape(-1)
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        yield piece.astype(np.float32) if piece.dtype.kind != "f" or piece.itemsize < 4 else piece


def _stays(mask: np.ndarray | None, size: int) -> Iterator[np.ndarray]:
    flat = mask.reshape(-1) if mask is not None else None
    for start in range(0, size, _PIECE):
        count = min(_PIECE, size - start)
        yield np.ones(count, np.bool_) if flat is None else flat[start : start + count]


def _highest(scores: Iterable[np.ndarray]) -> float:
    return max((float(array.max()) for array in scores if array.size), default=0.0)


def _lowest(scores: Iterable[np.ndarray]) -> float:
    """The lowest score above zero, or 0."""
    return min(
        (
            float(positive.min())
            for array in scores
            for piece in _pieces(array)
            if (positive := piece[piece > 0]).size
        ),
        default=0.0,
    )
