"""A clustered model is the model with its kernels rounded to few values, and nothing else."""

from __future__ import annotations

import time

import keras
import numpy as np

from secateur.proof.copies import placed
from secateur.proof.record import Check, ProofError


def prove_clusters(original: keras.Model, clustered: keras.Model, clusters: int) -> Check:
    """Compares the state of both models, variable by variable.

    What is no kernel or table is the same to the bit. A kernel holds zeros where it held them, at
    most so many other values, and each of its weights became the nearest one of these.

    Args:
        original: The model before.
        clustered: A copy of it that was clustered.
        clusters: Distinct values beside zero that a kernel may keep.

    Raises:
        ProofError: One sentence with the weight.
    """
    start, few = time.perf_counter(), 0
    theirs = dict(placed(clustered))
    for path, variable in placed(original):
        before, after = (keras.ops.convert_to_numpy(v.value) for v in (variable, theirs[path]))
        if before.tobytes() == after.tobytes() and before.shape == after.shape:
            continue
        if reason := _wrong(before, after, clusters):
            raise ProofError(
                f"The weight '{path}' of the clustered '{original.name}' {reason}; leave "
                "export.clusters out, and please report it."
            )
        few += 1
    return Check(
        subject="file",
        statement=f"Of '{original.name}' {few} kernels hold at most {clusters} values beside zero, "
        "each weight the nearest of them and zeros where they were; all else is as it was.",
        examples=0,
        difference=0.0,
        tolerance=0.0,
        seconds=round(time.perf_counter() - start, 3),
    )


def _wrong(before: np.ndarray, after: np.ndarray, clusters: int) -> str | None:
    if before.shape != after.shape or before.ndim < 2:
        return "is no kernel and has other values than before"
    if not np.array_equal(before == 0, after == 0):
        return "is zero at other places than before"
    values = np.unique(after[after != 0]).astype(np.float64)
    if len(values) > clusters:
        return f"holds {len(values)} values, where {clusters} were asked for"
    old = before[before != 0].astype(np.float64)
    place = np.clip(np.searchsorted(values, old), 1, len(values) - 1) if len(values) > 1 else 0
    nearest = np.minimum(np.abs(values[place] - old), np.abs(values[place - 1] - old))
    off = np.abs(after[before != 0].astype(np.float64) - old) - nearest
    rounding = 4 * np.finfo(np.float32).eps * np.abs(old).max(initial=0.0)
    return "holds values that are not the nearest of its few" if np.any(off > rounding) else None
