"""What arrays hold, for `understanding.Column`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from secateur.datasets.raw import ROWS
from secateur.datasets.rows import pieces
from secateur.datasets.understanding import Column, Kind


def about(name: str, role: Literal["feature", "target"], arrays: Sequence[np.ndarray]) -> Column:
    """A column of arrays of all splits, none of them empty; files are read a piece at a time."""
    first = arrays[0]
    if first.dtype == object:
        distinct = len({text for array in arrays for text in array})
        kind: Kind = "text" if role == "feature" else "category"
        return Column(name=name, role=role, kind=kind, distinct=distinct)
    low, high = np.inf, -np.inf
    for array in arrays:
        for piece in pieces(array, ROWS):
            low, high = min(low, float(piece.min())), max(high, float(piece.max()))
    count: int | None = None
    if role == "target" and first.dtype.kind in "iu":
        count = len(set().union(*(np.unique(array).tolist() for array in arrays)))
    return Column(
        name=name,
        role=role,
        kind="whole number" if first.dtype.kind in "iu" else "number",
        shape=first.shape[1:],
        minimum=low if np.isfinite(low) else None,
        maximum=high if np.isfinite(high) else None,
        distinct=count,
    )
