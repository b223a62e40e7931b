"""Whole numbers as targets: names of classes, or something to predict."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.raw import Raw

_FEW = 20  # different values that are taken as classes, whatever they are
_EACH = 5  # examples of a class on average, where there are more classes than that


def is_quantity(values: np.ndarray) -> bool:
    """Whether whole numbers are taken as something to predict where the parameters do not say.

    More than 20 different ones are, unless they count from 0 or 1 without gaps and each is there
    five times on average.

    Args:
        values: Of the training split, `(examples,)`.
    """
    found = np.unique(values)
    if len(found) <= _FEW:
        return False
    counted = found[0] in (0, 1) and found[-1] - found[0] == len(found) - 1
    return not (counted and len(values) >= _EACH * len(found))


def tell(raw: Mapping[str, Raw], config: DatasetConfig) -> list[str]:
    """A sentence on a single target of many whole numbers, where nothing else says what it is."""
    train = raw["train"]
    known = config.task or config.outputs or config.classes or train.class_names
    if known or len(train.targets) != 1:
        return []
    ((name, values),) = train.targets.items()
    if values.ndim != 1 or values.dtype.kind not in "iu":
        return []
    found = np.unique(values)
    if len(found) <= _FEW:
        return []
    taken, else_ = ("a number (regression)", "classification takes them as classes")
    if not is_quantity(values):
        taken, else_ = ("the numbers of classes", "regression takes them as numbers")
    return [
        f"The target {name!r} holds {len(found):,} different whole numbers from {found[0]:,} to "
        f"{found[-1]:,} and is taken as {taken}; dataset.task {else_}."
    ]
