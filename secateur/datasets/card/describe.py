"""A loaded data set -> its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from secateur.datasets.card.samples import samples
from secateur.datasets.card.schema import Card, Class, Feature, Input, Target
from secateur.datasets.card.warn import warnings
from secateur.datasets.dataset import SPLITS, Dataset
from secateur.datasets.raw import ROWS
from secateur.datasets.rows import pieces

_FEATURES = 1000  # of a table that are told one by one, at most
_CLASSES = 1000


def describe(data: Dataset) -> Card:
    """What was understood of a data set.

    Args:
        data: As `load.materialize` gives it.
    """
    info, told = data.info, data.info["understood"]
    inputs = tuple(_input(data, *part) for part in data.train.parts())
    targets = _targets(data)
    return Card(
        name=data.name,
        task=data.task,
        splits={name: len(data.split(name)) for name in SPLITS},
        sources=info["splits"],
        inputs=inputs,
        targets=targets,
        source=data.understood,
        pictures={
            name: each["pictures"] for name, each in told["inputs"].items() if "pictures" in each
        },
        duplicates=told.get("duplicates") or {},
        notices=tuple(info["notices"]),
        warnings=tuple(warnings(data, inputs, targets)),
        samples=samples(data, inputs),
    )


def _input(data: Dataset, name: str | None, array: np.ndarray, scale: float | None) -> Input:
    factor = 1.0 if scale is None else scale
    shape = array.shape[1:]
    if scale is None:
        lengths = np.concatenate([np.count_nonzero(part, axis=1) for part in pieces(array, ROWS)])
        span = (int(lengths.min()), int(np.median(lengths)), int(lengths.max()))
        low, high = _extremes(array, 1.0)
        return Input(
            name=name or "", kind="text", shape=shape, minimum=low, maximum=high, lengths=span
        )
    low, high = _extremes(array, factor)
    kind = "array"
    features: tuple[Feature, ...] = ()
    if len(shape) == 1 and array.dtype != np.uint8:
        kind = "table"
        if shape[0] <= _FEATURES:
            features = _features(array, _names(data, shape[0]))
    elif (len(shape) == 3 and shape[-1] in (1, 3)) or (len(shape) == 2 and array.dtype == np.uint8):
        kind = "image"
    about = data.info if name is None else next(i for i in data.info["inputs"] if i["name"] == name)
    return Input(
        name=name or "",
        kind=kind,
        shape=shape,
        minimum=low,
        maximum=high,
        features=features,
        values=about.get("values"),
    )


def _extremes(array: np.ndarray, factor: float) -> tuple[float, float]:
    found = [(float(part.min()), float(part.max())) for part in pieces(array, ROWS)]
    return min(low for low, _ in found) * factor, max(high for _, high in found) * factor


def _features(array: np.ndarray, names: list[str]) -> tuple[Feature, ...]:
    """Statistics of each column, a piece of the rows at a time."""
    total = sum(part.sum(axis=0, dtype=np.float64) for part in pieces(array, ROWS))
    mean = np.asarray(total) / len(array)
    squares = sum(np.square(part - mean).sum(axis=0) for part in pieces(array, ROWS))
    deviation = np.sqrt(np.asarray(squares) / len(array))
    low = np.min([part.min(axis=0) for part in pieces(array, ROWS)], axis=0)
    high = np.max([part.max(axis=0) for part in pieces(array, ROWS)], axis=0)
    columns = zip(names, low, high, mean, deviation, strict=True)
    return tuple(
        Feature(name=n, minimum=a, maximum=b, mean=m, deviation=d) for n, a, b, m, d in columns
    )


def _names(data: Dataset, width: int) -> list[str]:
    """Names of a table's columns as the model gets them; numbers where none are known."""
    names: list[str] = list(data.info["understood"].get("columns") or ())
    for column in data.understood.columns if data.understood else ():
        if column.role != "feature":
            continue
        if column.kind == "category":
            names += [f"{column.name} = {value}" for value in column.values]
        elif column.shape:
            names += [f"{column.name}[{place}]" for place in range(int(np.prod(column.shape)))]
        else:
            names.append(column.name)
    return names if len(names) == width else [str(place) for place in range(width)]


def _targets(data: Dataset) -> tuple[Target, ...]:
    outputs = data.info.get("outputs")
    if not outputs:
        return (_target(data, "", data.info),)
    return tuple(_target(data, each["name"], each) for each in outputs)


def _target(data: Dataset, name: str, about: Mapping[str, Any]) -> Target:
    task, known = about["task"], about["class_names"]
    y = {split: data.split(split).y for split in SPLITS}
    arrays = {s: each[name] if isinstance(each, Mapping) else each for s, each in y.items()}
    if task in ("regression", "multi_label"):
        train = arrays["train"].reshape(len(arrays["train"]), -1)
        width = train.shape[1]
        names = known or (["target"] if width == 1 else [str(place) for place in range(width)])
        return Target(name=name, task=task, ranges=_features(train, list(names)))
    count = 2 if task == "binary" else about["classes"]
    if task == "language_model" or count > _CLASSES:
        return Target(name=name, task=task)
    found = {
        split: np.bincount(np.asarray(array).astype(np.int64).reshape(-1), minlength=count)
        for split, array in arrays.items()
    }
    names = known or [str(place) for place in range(count)]
    classes = tuple(
        Class(name=str(label), examples={split: int(each[place]) for split, each in found.items()})
        for place, label in enumerate(names)
    )
    return Target(name=name, task=task, classes=classes)
