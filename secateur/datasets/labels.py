"""Targets as they come -> targets as a model is trained on, and what the task is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.label_forms import Form, from_zero, plain, read
from secateur.datasets.raw import Raw
from secateur.datasets.whole import is_quantity

_EXACT = 1 << 24  # up to it, float32 has each whole number
_HIDDEN = (
    "; -1 often stands for a label that is not told: say by dataset.test_split which split "
    "measures, or leave those examples out."
)


class Targets(NamedTuple):
    """Encoded targets.

    Attributes:
        task: One of `traits.TASKS`.
        classes: Values that the model gives for an example, or for each token of it.
        class_names: Names of classes, labels or targets; None where they have none.
        y: Split of the source -> array; see `dataset.Split`.
        form: How the labels were written, in a phrase.
        notices: How they were read where they could be read in another way, each a sentence.
    """

    task: str
    classes: int
    class_names: list[str] | None
    y: dict[str, np.ndarray]
    form: str = "numbers"
    notices: tuple[str, ...] = ()


def encode_outputs(raw: Mapping[str, Raw], config: DatasetConfig) -> dict[str, Targets]:
    """`encode` of each output by its name; of data with a single one, under an empty name.

    Raises:
        ValueError: As `encode`, or an output is not among the targets.
    """
    if not config.outputs:
        return {"": encode(raw, config)}
    found = {}
    for name, task in config.outputs.items():
        if name not in raw["train"].targets:
            raise ValueError(
                f"dataset.outputs names {name!r}, which is none of the targets of "
                f"{config.label!r}: {', '.join(raw['train'].targets)}."
            )
        alone = {split: Raw(part.inputs, {name: part.targets[name]}) for split, part in raw.items()}
        found[name] = encode(alone, config.model_copy(update={"outputs": {}, "task": task}))
    return found


def encode(raw: Mapping[str, Raw], config: DatasetConfig) -> Targets:
    """Finds out what the targets are, and refuses what no model can be trained on.

    Raises:
        ValueError: One sentence: a label out of range, too few classes, or a task that does not
            go with the targets.
    """
    names = list(raw["train"].targets)
    known = raw["train"].class_names
    if len(names) == 1:
        form = read(
            {split: part.targets[names[0]] for split, part in raw.items()}, names[0], config
        )
        columns = {split: [array] for split, array in form.y.items()}
    else:
        form = Form({})
        columns = {
            split: [plain(part.targets[name], config) for name in names]
            for split, part in raw.items()
        }
    task = config.task or form.task or _task(columns["train"], config, raw["train"])
    said = (form.said,) if form.said else ()
    if task in ("classification", "binary", "token_classification") and len(names) != 1:
        raise ValueError(
            f"The task {task} has one target, but there are {len(names)}: {', '.join(names)}; "
            "choose one by dataset.target, or dataset.task multi_label or regression."
        )
    if task in ("multi_label", "regression"):
        y = {split: _matrix(arrays, names, task) for split, arrays in columns.items()}
        width = y["train"].shape[1]
        named = names if len(names) == width > 1 else None
        return Targets(task, width, named, y, form.form, said)
    single = {split: arrays[0] for split, arrays in columns.items()}
    if single["train"].dtype == object:
        single, known = _numbered(single, names[0])
    rank = 2 if task == "token_classification" else 1
    for split, labels in single.items():
        if labels.dtype.kind not in "iu" or (labels.ndim < 2 if rank == 2 else labels.ndim != 1):
            raise ValueError(
                f"The target {names[0]!r} of the split {split} holds {labels.dtype} of shape "
                f"{labels.shape[1:]} for each example; {task} needs "
                f"{'a whole number for each token' if rank == 2 else 'one whole number or name'}: "
                "choose another dataset.task or dataset.target."
            )
    if task != "token_classification" and not known and form.form == "numbers":
        form = from_zero(form._replace(y=single), names[0], config)
        single, said = form.y, (*said, *((form.said,) if form.said else ()))
    known = known or form.names
    classes = _classes(single, names[0], config, known)
    if task == "binary":
        if classes != 2:
            raise ValueError(
                f"The task binary has two classes, but the target {names[0]!r} has {classes}; use "
                "classification."
            )
        y = {split: labels.astype(np.float32)[:, None] for split, labels in single.items()}
        return Targets(task, 1, list(known) if known else None, y, form.form, said)
    y = {split: labels.astype(np.int64) for split, labels in single.items()}
    return Targets(task, classes, list(known) if known else None, y, form.form, said)


def _task(columns: list[np.ndarray], config: DatasetConfig, train: Raw) -> str:
    if any(column.dtype.kind == "f" for column in columns):
        return "regression"
    if len(columns) > 1:
        whole = all(
            column.dtype != object and set(np.unique(column)) <= {0, 1} for column in columns
        )
        return "multi_label" if whole else "regression"
    if columns[0].ndim > 1:
        return "token_classification"
    named = columns[0].dtype == object or config.classes or train.class_names
    return "classification" if named or not is_quantity(columns[0]) else "regression"


def _matrix(columns: list[np.ndarray], names: list[str], task: str) -> np.ndarray:
    for column, name in zip(columns, names, strict=True):
        if column.dtype == object:
            raise ValueError(
                f"The target {name!r} holds text; the task {task} needs numbers: choose another "
                "dataset.target or dataset.task."
            )
        if column.ndim > 2:
            raise ValueError(
                f"The target {name!r} has the shape {column.shape[1:]} for each example; the task "
                f"{task} needs numbers in a row."
            )
        bad = ~np.isin(column, (0, 1)) if task == "multi_label" else ~np.isfinite(column)
        if bad.any():
            value = column[bad][0]
            need = "zeros and ones" if task == "multi_label" else "finite numbers"
            raise ValueError(f"The target {name!r} has the value {value}; {task} needs {need}.")
        _refuse_equal(column, name)
    rows = [column.reshape(len(column), -1) for column in columns]
    return np.concatenate(rows, axis=1).astype(np.float32)


def _refuse_equal(column: np.ndarray, name: str) -> None:
    """Refuses numbers of which many become equal as float32, as which a model is trained on them.

    Raises:
        ValueError: One sentence.
    """
    largest = float(np.abs(column.astype(np.float64)).max(initial=0))
    if largest <= _EXACT:
        return
    count = len(np.unique(column))
    lost = count - len(np.unique(column.astype(np.float32)))
    if lost > count / 10:
        raise ValueError(
            f"The target {name!r} holds numbers as large as {largest:,.0f}, and {lost:,} of its "
            f"{count:,} different values become equal to others in float32; take off what all "
            "have in common."
        )


def _numbered(
    single: dict[str, np.ndarray], name: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Names of classes -> their places among the sorted names of the training split."""
    names = sorted(set(single["train"].tolist()))
    places = {label: place for place, label in enumerate(names)}
    numbers = {}
    for split, labels in single.items():
        unknown = sorted(set(labels.tolist()) - places.keys())
        if unknown:
            raise ValueError(
                f"The split {split} has the class {unknown[0]!r} in {name!r}, of which the "
                "training split has no example."
            )
        numbers[split] = np.array([places[label] for label in labels.tolist()], np.int64)
    return numbers, tuple(names)


def _classes(
    single: dict[str, np.ndarray],
    name: str,
    config: DatasetConfig,
    known: tuple[str, ...] | None,
) -> int:
    most = max(int(labels.max()) for labels in single.values() if labels.size)
    classes = len(known) if known else config.classes or most + 1
    if known and config.classes not in (None, classes):
        raise ValueError(
            f"dataset.classes is {config.classes}, but the data have {classes} classes by name, "
            "which are numbered in their order; leave it out, or give numbers."
        )
    for split, labels in single.items():
        bad = (labels < 0) | (labels >= classes)
        if bad.any():
            raise ValueError(
                f"The split {split} has the label {labels[bad][0]} in {name!r} (example "
                f"{int(np.argwhere(bad)[0][0]) + 1}); allowed are 0 to {classes - 1}"
                f"{_HIDDEN if labels[bad][0] == -1 else '.'}"
            )
    if classes < 2:
        raise ValueError(f"The target {name!r} has one class alone; two or more are needed.")
    return classes


def check_classes(targets: Targets, train: np.ndarray, config: DatasetConfig) -> list[str]:
    """Refuses classes of which the training split has no example, unless they are meant.

    They are where `dataset.classes` counts them, or TFDS has names for them: a pretrained
    classifier may know more classes than the data.

    Args:
        targets: The encoded targets.
        train: Those of the examples that train the model.
        config: Whether `classes` or `name` is given.

    Returns:
        A sentence about such classes, or none.
    """
    if targets.task not in ("classification", "binary"):
        return []
    count = 2 if targets.task == "binary" else targets.classes
    if count > 10 * len(train):
        there = np.unique(train)
    else:
        there = np.flatnonzero(np.bincount(train.astype(np.int64).reshape(-1), minlength=count))
    if len(there) == count:
        return []
    missing = next(label for label in range(count) if label not in there)
    name = targets.class_names[missing] if targets.class_names else str(missing)
    if config.classes is not None or config.name is not None:
        return [
            f"The training split has no example of {count - len(there)} of {count} classes, the "
            f"first of them {name}: what the model gives for them is not trained."
        ]
    if targets.class_names:
        raise ValueError(
            f"The training split has no example of the class {name!r} ({len(there)} of {count} "
            "classes are there; a share of each class measures); add examples, leave the class "
            f"out, or say dataset.classes {count} if the model has classes without examples."
        )
    raise ValueError(
        f"The training split has no example of the class {name} ({len(there)} of {count} classes "
        "are there); number the classes from 0 without gaps, add examples, say dataset.classes "
        f"{count} if the model has classes without examples, or dataset.task regression if the "
        "numbers are to be predicted."
    )
