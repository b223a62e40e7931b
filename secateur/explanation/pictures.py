"""Examples as pictures: bytes, small enough for a page."""

from __future__ import annotations

import numpy as np

LONGEST = 96
"""Pixels on the longer side at most."""


def are_pictures(shape: tuple[int, ...]) -> bool:
    """Whether examples of this shape are images: `(height, width, 1 or 3)`."""
    return len(shape) == 3 and shape[2] in (1, 3) and min(shape[:2]) > 1


def pictures_of(examples: np.ndarray) -> np.ndarray:
    """Bytes of images, as `(examples, height, width, 1 or 3)`, thinned out to `LONGEST` pixels.

    Images of other types than bytes are spread between their lowest and highest value, each for
    itself, for what they stand for is not known.
    """
    step = -(-max(examples.shape[1:3]) // LONGEST)
    small = np.asarray(examples[:, ::step, ::step])
    if small.dtype == np.uint8:
        return small
    values = np.nan_to_num(small.astype(np.float32))
    low = values.min(axis=(1, 2, 3), keepdims=True)
    span = values.max(axis=(1, 2, 3), keepdims=True) - low
    return np.round(255 * (values - low) / np.where(span > 0, span, 1)).astype(np.uint8)
