"""Values that are not there: found, counted and refused, in whatever a source gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from secateur.datasets.raw import Raw

WORDS = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    }
)
"""What pandas reads as a missing value, blanks around it aside."""


def missing(array: np.ndarray) -> np.ndarray:
    """Which values are missing: NaN of numbers, and of texts `WORDS`; of the array's shape."""
    if array.dtype == object:
        flat = [value is None or str(value).strip() in WORDS for value in array.reshape(-1)]
        return np.array(flat, bool).reshape(array.shape)
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)


def refuse_missing(bad: np.ndarray, what: str, where: Callable[[int], str], way_out: str) -> None:
    """Refuses examples without a value.

    Args:
        bad: Whether each example lacks it.
        what: `The column 'label' of 'a.csv'` or the like.
        where: An example's number, from 0, -> `row 1 of 'a.csv'`.
        way_out: What can be done beside filling in, as the end of the sentence.

    Raises:
        ValueError: One sentence, with their number and the first of them.
    """
    if bad.any():
        count = int(bad.sum())
        raise ValueError(
            f"{what} lacks a value in {count:,} of {len(bad):,} examples (the first is "
            f"{where(int(bad.argmax()))}); fill {'it' if count == 1 else 'them'} in, or {way_out}."
        )


def check_targets(raw: Mapping[str, Raw]) -> None:
    """Refuses targets that are missing, empty or called as such; whatever the source.

    Raises:
        ValueError: One sentence.
    """
    for split, part in raw.items():
        for name, array in part.targets.items():
            bad = missing(array)
            if bad.ndim > 1:
                bad = np.asarray(bad.reshape(len(bad), -1).any(axis=1))
            refuse_missing(
                bad,
                f"The target {name!r} of the split {split}",
                lambda number: f"example {number + 1}",
                "leave those examples out (a class that is called NA or the like needs another "
                "name)",
            )
