"""Targets of a table: names, whole numbers or other numbers."""

from __future__ import annotations

import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.origin import Origin
from secateur.datasets.sources.kinds import Parsed
from secateur.datasets.understanding import Column

_FEW = 20


def target(
    name: str, column: Parsed, origin: Origin, config: DatasetConfig
) -> tuple[np.ndarray, Column, list[str]]:
    """The target's values as `Raw` has them, what the column is, and notices.

    Raises:
        ValueError: One sentence: names that differ in blanks alone.
    """
    if column.kind == "text":
        _refuse_blanks(name, column, origin)
        about = Column(name=name, role="target", kind="category", distinct=len(column.names))
        return column.texts(), about, []
    values, notices, kind = column.values, [], column.kind
    asked = config.outputs.get(name, config.task)
    if kind == "number" and asked in (None, "classification", "binary", "token_classification"):
        whole = values == np.floor(values)
        found = np.unique(values) if whole.all() else None
        if found is not None and (asked is not None or _as_classes(found)):
            values, kind = values.astype(np.int64), "whole number"
            if asked is None:
                notices.append(
                    f"The target {name!r} of {origin.name} holds {len(found)} whole numbers, "
                    f"written with decimals ({found[0]} and so on), and is taken as classes; "
                    "dataset.task regression takes it as a number."
                )
    about = Column(
        name=name,
        role="target",
        kind=kind,
        shape=values.shape[1:],
        minimum=float(values.min()),
        maximum=float(values.max()),
        distinct=len(np.unique(values)),
    )
    return values, about, notices


def _as_classes(found: np.ndarray) -> bool:
    """Whether sorted values are numbers of classes: from 0 or 1 without gaps, or -1 and 1."""
    if not 2 <= len(found) <= _FEW:
        return False
    return found.tolist() == [-1, 1] or (found[0] in (0, 1) and (np.diff(found) == 1).all())


def _refuse_blanks(name: str, column: Parsed, origin: Origin) -> None:
    bare: dict[str, str] = {}
    for label in column.names:
        other = bare.setdefault(label.strip(), label)
        if other != label:
            row = int((column.values == column.names.index(other)).argmax())
            raise ValueError(
                f"The target {name!r} of {origin.name} holds {label!r} and {other!r} "
                f"({origin.where(row)}), which differ in blanks alone; mend it."
            )
