"""A file of small numbers gives what its model gives, but for what rounding may do."""

from __future__ import annotations

import numpy as np

from secateur.proof.record import Check, ProofError

SPREAD = {"float16": 0.05, "int16x8": 0.3, "dynamic_int8": 0.3, "int8": 0.6}
"""How far outputs may be from the model's, as a share of how far those are from their means.

What another model gives is about 1 away, what no model gives (a constant) is 1 away.
"""


def prove_quantized(
    name: str, kind: str, ours: np.ndarray, theirs: np.ndarray, seconds: float
) -> Check:
    """The check of a quantized file by the outputs of the model that it was made of.

    Args:
        name: Of the file.
        kind: How it is quantized; a key of `SPREAD`.
        ours: What the file gives, `(examples, …)`.
        theirs: What the model gives for the same examples.
        seconds: How long it took to find out.

    Raises:
        ProofError: One sentence.
    """
    spread, allowed = distance(ours, theirs), SPREAD[kind]
    if not spread <= allowed:
        raise ProofError(
            f"The outputs of {name} are {spread:.0%} of their spread away from those of the model "
            f"that it was made of, where rounding ({kind}) may take {allowed:.0%}; choose another "
            "export.quantize (int16x8 and float16 lose less), or please report it."
        )
    return Check(
        subject="file",
        statement=f"{name} gives the outputs of its model but for the rounding of {kind}, by the "
        "spread of the outputs.",
        examples=len(theirs),
        difference=spread,
        tolerance=allowed,
        seconds=round(seconds, 3),
    )


def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Root of the mean square of the difference, as a share of the deviation over examples."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    finite = np.isfinite(b)
    off = np.sqrt(np.mean((a[finite] - b[finite]) ** 2)) if finite.any() else 0.0
    centred = b - np.mean(np.where(finite, b, 0.0), axis=0, keepdims=True)
    spread = np.sqrt(np.mean(centred[finite] ** 2)) if finite.any() else 0.0
    size = np.abs(b[finite]).max(initial=0.0)
    return float(off / max(spread, 1e-3 * size)) if off else 0.0
