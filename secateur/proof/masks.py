"""The proof that masks hold: what they remove is exactly zero."""

from __future__ import annotations

import time
from collections.abc import Mapping

import keras
import numpy as np

from secateur.models.weights import weight_paths
from secateur.proof.record import Check, ProofError


def prove_masks(model: keras.Model, masks: Mapping[str, np.ndarray], when: str) -> Check:
    """Reads the weights as NumPy arrays and counts what is not zero where a mask removes.

    Args:
        model: A built model.
        masks: Weight path -> boolean array of the weight's shape, True = kept.
        when: Such as `after fine-tuning`, for the statement.

    Raises:
        ProofError: A removed weight is not zero, or a weight is missing or of another shape.
    """
    start = time.monotonic()
    weights = dict(weight_paths(model))
    removed = 0
    for path in masks:
        mask = masks[path]
        if path not in weights or tuple(weights[path].shape) != mask.shape:
            raise ProofError(
                f"The weight '{path}' has a mask of the shape {mask.shape} and is not in "
                f"'{model.name}' {when} in that shape: take the masks of this very model."
            )
        gone = np.asarray(keras.ops.convert_to_numpy(weights[path]))[~mask]
        back = int(np.count_nonzero(gone))
        if back:
            raise ProofError(
                f"{back:,} of the {gone.size:,} weights that the masks remove from '{path}' are "
                f"not zero {when}: train under secateur.sparsity.hold, trace a step of your own "
                "inside of the block, or call enforce() of what the block gives after each step."
            )
        removed += gone.size
    return Check(
        subject="masks",
        statement=f"The {removed:,} weights that the masks remove are exactly zero {when}.",
        examples=0,
        difference=0.0,
        tolerance=0.0,
        seconds=time.monotonic() - start,
    )
