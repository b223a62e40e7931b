"""The ways in which labels are written: understood as classes from 0, or told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from secateur.datasets.config import DatasetConfig

_FEW = 20  # different whole numbers that may well be classes

Splits = dict[str, np.ndarray]


class Form(NamedTuple):
    """Labels of each split, and what was understood.

    Attributes:
        y: Split of the source -> array.
        names: Names of the classes, where the way they are written tells.
        form: What the labels are, in a phrase.
        said: A sentence that says how they were read and what to do if that is wrong; or None.
        task: What the model shall do, where the form tells.
    """

    y: Splits
    names: tuple[str, ...] | None = None
    form: str = "numbers"
    said: str | None = None
    task: str | None = None


def plain(array: np.ndarray, config: DatasetConfig) -> np.ndarray:
    """One value for each example where each has a row of one; yes and no as 1 and 0."""
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    if array.ndim > 1 and array[:1].size == 1 and config.task != "token_classification":
        return array.reshape(len(array))
    return array


def read(raw: Mapping[str, np.ndarray], name: str, config: DatasetConfig) -> Form:
    """Understands the only target of a data set: one-hot rows, whole numbers as floats.

    Args:
        raw: Split of the source -> labels as they come.
        name: The target's.
        config: What the user says of the task.
    """
    y = {split: plain(array, config) for split, array in raw.items()}
    train = y["train"]
    if train.ndim == 1 and all(array.dtype.kind == "b" for array in raw.values()):
        return Form(y, ("False", "True"), "yes and no")
    if train.dtype == object:
        return Form(y, form="names")
    if config.task in (None, "classification", "binary") and _one_hot(y):
        classes = train.shape[1]
        said = (
            f"The target {name!r} is one-hot in {classes} columns, and read as classes 0 to "
            f"{classes - 1}; if it is something else, say dataset.task multi_label, regression "
            "or token_classification."
        )
        y = {split: array.argmax(axis=1).astype(np.int64) for split, array in y.items()}
        return Form(
            y, None, "one-hot", None if config.task else said, config.task or "classification"
        )
    if config.task is None:
        return _unsaid(y, name)
    if config.task in ("classification", "binary", "token_classification") and _whole(y):
        y = {split: array.astype(np.int64) for split, array in y.items()}
    return Form(y)


def _unsaid(y: Splits, name: str) -> Form:
    """Of labels whose task nobody says, what they may be instead."""
    train = y["train"]
    floats = train.dtype.kind == "f"
    if train.ndim == 2 and all(_zeros_and_ones(array) for array in y.values()):
        if floats:
            said = (
                f"The target {name!r} holds zeros and ones in {train.shape[1]} columns, and is "
                "read as so many labels; if they are numbers, say dataset.task regression."
            )
            return Form(y, form="zeros and ones", said=said, task="multi_label")
        said = (
            f"The target {name!r} holds zeros and ones in {train.shape[1]} columns, and is read as "
            "a label for each token; if they are labels of the whole example, say dataset.task "
            "multi_label."
        )
        return Form(y, form="zeros and ones", said=said)
    if floats and train.ndim == 1 and _whole(y) and 2 <= (count := len(np.unique(train))) <= _FEW:
        said = (
            f"The target {name!r} holds {count} different whole numbers as floats, and is read as "
            "a regression; if they are classes, say dataset.task classification."
        )
        return Form(y, form="whole numbers as floats", said=said)
    return Form(y)


def from_zero(found: Form, name: str, config: DatasetConfig) -> Form:
    """Whole numbers that are -1 and 1, or go from 1 without gaps, as classes from 0."""
    y = {split: array.astype(np.int64) for split, array in found.y.items()}
    values = np.unique(np.concatenate([np.unique(array) for array in y.values()]))
    train = np.unique(y["train"])
    if values.tolist() == [-1, 1] and train.tolist() == [-1, 1]:
        said = f"The target {name!r} is -1 or 1, and read as the classes 0 and 1."
        y = {split: (array + 1) // 2 for split, array in y.items()}
        return Form(y, ("-1", "1"), "-1 and 1", said)
    count = len(values)
    counts = count > 1 and values[0] == 1 and values[-1] == count and len(train) == count
    if not counts or config.classes not in (None, count):
        return found
    said = (
        f"The target {name!r} counts from 1 to {count}, and is read as classes 0 to {count - 1}; "
        f"if there is a class 0 without examples, say dataset.classes {count + 1}."
    )
    y = {split: array - 1 for split, array in y.items()}
    return Form(y, tuple(map(str, values.tolist())), "numbers from 1", said)


def _one_hot(y: Splits) -> bool:
    return all(
        array.ndim == 2
        and array.shape[1] > 1
        and _zeros_and_ones(array)
        and (array.sum(axis=1) == 1).all()
        for array in y.values()
    )


def _zeros_and_ones(array: np.ndarray) -> bool:
    return array.dtype.kind in "iuf" and bool(np.isin(array, (0, 1)).all())


def _whole(y: Splits) -> bool:
    return all(
        array.dtype.kind == "f" and bool((np.isfinite(array) & (array == np.round(array))).all())
        for array in y.values()
    )
