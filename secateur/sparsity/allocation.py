"""Allocations: how the budget is shared among weights."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

from secateur.sparsity.layout import Layout


def erk_shares(layouts: Sequence[Layout]) -> list[float]:
    """Densities of Erdős-Rényi-Kernel up to a common factor (Evci et al. 2020, "RigL", section 3).

    `(n_in + n_out + Σ window) / (n_in · n_out · Π window)`, for a Dense kernel `(n_in + n_out) /
    (n_in · n_out)`: in both, the sum of a kernel's sizes over their product. Axes of size 1 count,
    as in the paper's code.
    """
    return [sum(layout.shape) / max(1, layout.size) for layout in layouts]


def apportion(
    weights: Sequence[float], total: int, low: Sequence[int], high: Sequence[int]
) -> list[int]:
    """Shares `total` in proportion to `weights`, in whole numbers within bounds.

    Webster's method: a share is `λ · weight` rounded and then bounded, with the `λ` that gives the
    total. Unlike with largest remainders, no share shrinks when the total grows, so that masks of
    growing ratios are nested. Equal claims are met in the order given.

    Args:
        weights: Positive numbers.
        total: The sum of the result; brought into the range that the bounds leave.
        low: Lower bounds.
        high: Upper bounds.

    Returns:
        One whole number for each weight.
    """
    total = min(max(total, sum(low)), sum(high))

    def shares(factor: float) -> list[int]:
        return [
            min(max(math.floor(factor * w + 0.5), lo), hi)
            for w, lo, hi in zip(weights, low, high, strict=True)
        ]

    under, over = 0.0, 1.0 + max((h + 1) / w for w, h in zip(weights, high, strict=True))
    for _ in range(200):
        middle = (under + over) / 2
        if middle in (under, over) or sum(shares(under)) == total:
            break
        under, over = (middle, over) if sum(shares(middle)) <= total else (under, middle)
    result = shares(under)
    claims = [
        ((result[i] + 0.5) / weights[i], i) for i in range(len(weights)) if result[i] < high[i]
    ]
    heapq.heapify(claims)
    for _ in range(total - sum(result)):
        _, i = heapq.heappop(claims)
        result[i] += 1
        if result[i] < high[i]:
            heapq.heappush(claims, ((result[i] + 0.5) / weights[i], i))
    return result


def lamp_scores(ascending: np.ndarray) -> np.ndarray:
    """LAMP scores of one layer (Lee et al. 2021, "Layer-adaptive sparsity", equation 5).

    `score(u) = s_u² / Σ_{v >= u} s_v²`, over the weights in ascending order. The paper has `s` =
    |weight|, which is the criterion `magnitude`; any other score takes its place.

    Args:
        ascending: Scores of a layer, sorted.

    Returns:
        Float64 array of the same length, ascending, from 0 to 1; the last is 1.
    """
    squares = ascending.astype(np.float64)
    if not squares.size:
        return squares
    squares /= squares[-1] or 1.0  # the scale cancels out, but squares could overflow
    squares *= squares
    tails = np.cumsum(squares[::-1])[::-1]
    result = np.divide(squares, tails, out=np.zeros_like(squares), where=tails > 0)
    result[-1] = 1.0
    return result
