"""Zeros of a model that was pruned before: they stay zeros, and count among those removed."""

from __future__ import annotations

import keras
import numpy as np

from secateur.models.weights import content_digest, prunable_weights
from secateur.sparsity.masks import Masks


def masks_of_zeros(model: keras.Model, without: str = "") -> Masks:
    """Masks that keep what is zero in a model zero.

    A kernel that is zero as a whole is none that was pruned, which keeps a weight at least: it is
    one that begins at zero, as the last layer of a residual block may, and has to be trained yet.
    It gets no mask, and a notice says so.

    Args:
        model: A built model that may have been pruned before.
        without: Path of a layer that is left out, such as a new head.

    Returns:
        Masks of the prunable weights that hold zeros; empty if none does.
    """
    masks, whole = {}, []
    for weight in prunable_weights(model):
        kept = np.asarray(keras.ops.convert_to_numpy(weight.variable.value) != 0)
        if weight.layer_path == without or kept.all():
            continue
        if kept.any():
            masks[weight.path] = kept
        else:
            whole.append(weight.path)
    notices = [
        f"{path} is zero as a whole, so that it was taken for one that is to be trained yet, and "
        "not for one that was pruned"
        for path in whole
    ]
    return Masks(masks, content_digest(model) if masks else "", notices)
