"""Targets of a table: names, yes or no, or numbers."""

from __future__ import annotations

import numpy as np

from secateur.datasets.origin import Origin
from secateur.datasets.sources.kinds import Parsed
from secateur.datasets.understanding import Column


def target(name: str, column: Parsed, origin: Origin) -> tuple[np.ndarray, Column]:
    """The target's values as `Raw` has them, and what the column is.

    Raises:
        ValueError: One sentence: names that differ in blanks alone.
    """
    if column.kind == "text":
        _refuse_blanks(name, column, origin)
        about = Column(name=name, role="target", kind="category", distinct=len(column.names))
        return column.texts(), about
    values = column.values
    about = Column(
        name=name,
        role="target",
        kind=column.kind,
        shape=values.shape[1:],
        minimum=float(values.min()),
        maximum=float(values.max()),
        distinct=len(np.unique(values)),
    )
    return values.astype(bool) if column.kind == "yes or no" else values, about


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
