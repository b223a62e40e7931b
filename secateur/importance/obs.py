"""The matrix part of SparseGPT: the Optimal Brain Surgeon, one input after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from secateur.importance.outputs import smallest_of_outputs

# Inputs after which the choice of weights starts anew and the others are brought up to date, as in
# the paper (B_s and B).
BLOCK = 128


class Target(NamedTuple):
    """What to remove of one weight: a ratio, or n of m, or what a mask says.

    By output, the ratio is one of each output and not of the weight as a whole: of a choice by
    saliency alone.
    What `free` leaves out, in the weight's shape, goes first and counts.
    """

    ratio: float | None = None
    kept: int = 0
    group: int = 0
    mask: np.ndarray | None = None
    by_output: bool = False
    free: np.ndarray | None = None


def reconstruct(
    matrix: np.ndarray,
    hessian: np.ndarray,
    target: Target,
    damping: float,
    run_length: int,
    fixed: np.ndarray | None = None,
    free: np.ndarray | None = None,
    *,
    precision: type = np.float64,
) -> tuple[np.ndarray, np.ndarray]:
    """SparseGPT on matrices.

    Weights of inputs that are always zero go first, as in the paper's code. Those of them that stay
    keep their values (the code sets them to zero, which is no choice of the target's), and the mean
    of the diagonal counts those inputs with 0 (in the code with 1).

    Args:
        matrix: Weights, (groups, inputs, outputs); left as they are.
        hessian: XᵀX of the inputs, float64, (groups, inputs, inputs).
        target: What to remove.
        damping: Share of the mean diagonal that is added to the diagonal.
        run_length: Inputs after which groups of n:m start anew.
        fixed: A mask to take instead of choosing one.
        free: Weights that may stay, (groups, inputs, outputs); None for all.
        precision: What to compute in, once the Hessian is inverted.

    Returns:
        New weights and masks, both (groups, inputs, outputs).
    """
    matrix, inputs = matrix.astype(precision), matrix.shape[1]
    size = matrix.shape[0] * matrix.shape[2]
    factors = np.stack([_factor(part, damping).astype(matrix.dtype) for part in hessian])
    scale = np.square(np.diagonal(factors, axis1=1, axis2=2))[:, :, None]
    scale[never_seen(hessian)] = np.inf
    kept = np.ones(matrix.shape, bool) if fixed is None else fixed.copy()
    removed = 0
    for low in range(0, inputs, BLOCK):
        high = min(low + BLOCK, inputs)
        block = slice(low, high)
        if fixed is None and target.ratio is not None:
            # The block takes its part of the exact number; the last one ends on it.
            wanted = round(target.ratio * size * high) - removed
            worth = _first(np.square(matrix[:, block]) / scale[:, block], free, block)
            kept[:, block] = _smallest(worth, wanted)
            if free is not None:
                kept[:, block] &= free[:, block]
            removed += int(np.count_nonzero(~kept[:, block]))
        errors = np.zeros_like(matrix[:, block])
        for column in range(low, high):
            if fixed is None and target.group and column % run_length % target.group == 0:
                # A group may reach into the next block, whose weights are brought up to date.
                end = min(column + target.group, (column // run_length + 1) * run_length)
                group = matrix[:, column:end].copy()
                if end > high:
                    group[:, high - column :] -= _made_up(factors, errors, low, high, end)
                part = slice(column, end)
                worth = _first(np.square(group) / scale[:, part], free, part)
                kept[:, part] = _highest(worth, target.kept)
                if free is not None:
                    kept[:, part] &= free[:, part]
            row = factors[:, column]
            error = np.where(kept[:, column], 0, matrix[:, column]) / row[:, column, None]
            matrix[:, column:high] -= row[:, column:high, None] * error[:, None, :]
            matrix[:, column] *= kept[:, column]
            errors[:, column - low] = error
        matrix[:, high:] -= _made_up(factors, errors, low, high, inputs)
    return matrix, kept


def never_seen(hessian: np.ndarray) -> np.ndarray:
    """Which inputs are zero in all examples: boolean (groups, inputs)."""
    return np.diagonal(hessian, axis1=1, axis2=2) == 0


def _made_up(factors: np.ndarray, errors: np.ndarray, low: int, high: int, end: int) -> np.ndarray:
    """What the errors of a block change in the inputs `high` up to `end`."""
    return np.swapaxes(factors[:, low:high, high:end], 1, 2) @ errors


def _factor(hessian: np.ndarray, damping: float) -> np.ndarray:
    """Upper triangular U, H⁻¹ = UᵀU: row j is what OBS needs once the inputs before j are done.

    One array is factored, inverted and factored again where it lies: of wide layers the Hessian
    is larger than the weight itself.
    """
    diagonal = np.diagonal(hessian)
    mean = float(diagonal.mean())
    damped = hessian.copy()
    damped[np.diag_indices(len(hessian))] += damping * mean if mean > 0 else 1.0
    # The transpose of a symmetric matrix in C's order is itself in LAPACK's.
    factor, failed = lapack.dpotrf(damped.T, lower=0, clean=0, overwrite_a=1)
    if not failed:
        factor, failed = lapack.dpotri(factor, lower=0, overwrite_c=1)
    if not failed:
        factor, failed = lapack.dpotrf(factor, lower=0, clean=1, overwrite_a=1)
    if failed:
        raise ValueError(
            "The inputs of a layer are so alike that their Hessian cannot be inverted; give a "
            "larger damping, or more examples."
        )
    return factor


def _first(worth: np.ndarray, free: np.ndarray | None, part: slice) -> np.ndarray:
    """What weights are worth, where those that are not free are worth the least."""
    return worth if free is None else np.where(free[:, part], worth, -1)


def choose(
    saliency: np.ndarray, target: Target, run_length: int, free: np.ndarray | None = None
) -> np.ndarray:
    """A mask by saliency alone, (groups, inputs, outputs); groups of n:m start anew each run."""
    if free is not None:
        least = np.where(free, saliency, -1).astype(saliency.dtype)
        return choose(least, target, run_length) & free
    if target.ratio is not None:
        count = round(target.ratio * saliency.size)
        return _of_outputs(saliency, count) if target.by_output else _smallest(saliency, count)
    kept = np.ones(saliency.shape, bool)
    for start in range(0, saliency.shape[1], run_length):
        end = min(start + run_length, saliency.shape[1])
        for low in range(start, end, target.group):
            part = slice(low, min(low + target.group, end))
            kept[:, part] = _highest(saliency[:, part], target.kept)
    return kept


def _of_outputs(saliency: np.ndarray, count: int) -> np.ndarray:
    """A mask without `count` values of (groups, inputs, outputs), shared out among the outputs."""
    groups, inputs, outputs = saliency.shape
    matrix = np.swapaxes(saliency, 0, 1).reshape(inputs, groups * outputs)
    kept = smallest_of_outputs(matrix, count)
    return np.swapaxes(kept.reshape(inputs, groups, outputs), 0, 1)


def _smallest(values: np.ndarray, count: int) -> np.ndarray:
    """A mask without the `count` smallest; of equal ones, those that come first go."""
    kept = np.ones(values.size, bool)
    if count > 0:
        flat = values.reshape(-1)
        limit = np.partition(flat, count - 1)[count - 1]
        np.greater_equal(flat, limit, out=kept)
        kept[np.flatnonzero(flat == limit)[: count - (values.size - int(kept.sum()))]] = False
    return kept.reshape(values.shape)


def _highest(values: np.ndarray, count: int) -> np.ndarray:
    """A mask of the `count` highest along axis 1."""
    order = np.argsort(values, axis=1, kind="stable")
    kept = np.zeros(values.shape, bool)
    np.put_along_axis(kept, order[:, max(0, values.shape[1] - count) :], True, axis=1)
    return kept
