"""Categories of a table -> one input for each value that the training split has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from secateur.datasets.raw import Raw
from secateur.datasets.splits import Part
from secateur.datasets.understanding import Understanding


@dataclass(frozen=True)
class Encoder:
    """Makes of a column of places among categories a column of zeros and ones for each of them.

    Attributes:
        columns: Columns of the input that come in.
        kept: By the place of a column of categories: the names of those that the training split
            has, in the order of the inputs that they become.
        slots: And by the place of a category among all: that of its input, from 0; -1 of one that
            the training split lacks, of which all inputs are 0.
    """

    columns: int
    kept: Mapping[int, tuple[str, ...]]
    slots: Mapping[int, np.ndarray]

    @classmethod
    def of(cls, raw: Mapping[str, Raw], parts: Mapping[str, Part]) -> Encoder | None:
        """That of a table by the examples that train; None where it has no categories."""
        train = raw["train"]
        if not train.categories:
            return None
        table = next(iter(train.inputs.values()))
        source, rows = parts["train"]
        kept, slots = {}, {}
        for column, names in train.categories.items():
            there = np.unique(raw[source].inputs[""][rows, column].astype(np.int64))
            slot = np.full(len(names), -1)
            slot[there] = np.arange(len(there))
            kept[column] = tuple(names[place] for place in there)
            slots[column] = slot
        return cls(table.shape[1], kept, slots)

    @property
    def width(self) -> int:
        """Columns that come out."""
        return self.columns + sum(len(names) - 1 for names in self.kept.values())

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Rows (rows, columns) -> (rows, width), float32; the order of the columns stays."""
        pieces = []
        for column in range(self.columns):
            values = rows[:, column : column + 1]
            if column in self.kept:
                slot = self.slots[column][values[:, 0].astype(np.int64)]
                values = slot[:, None] == np.arange(len(self.kept[column]))
            pieces.append(values.astype(np.float32))
        return np.concatenate(pieces, axis=1)

    def unknown(self, rows: np.ndarray) -> dict[int, np.ndarray]:
        """By the place of a column: which rows hold a category that the training split lacks."""
        return {
            column: slot[rows[:, column].astype(np.int64)] < 0
            for column, slot in self.slots.items()
        }


def tell(
    understood: Understanding,
    encoder: Encoder,
    raw: Mapping[str, Raw],
    parts: Mapping[str, Part],
) -> Understanding:
    """What the reader understood, with the values that became inputs, and those that did not."""
    features = [column for column in understood.columns if column.role == "feature"]
    values = {features[place].name: names for place, names in encoder.kept.items()}
    columns = tuple(
        column.model_copy(update={"values": values[column.name]})
        if column.role == "feature" and column.name in values
        else column
        for column in understood.columns
    )
    notices = []
    for split in ("validation", "test"):
        source, rows = parts[split]
        if not len(rows):
            continue
        for place, bad in encoder.unknown(raw[source].inputs[""][rows]).items():
            if bad.any():
                first = understood.where(source, int(rows[bad.argmax()]))
                notices.append(
                    f"{int(bad.sum()):,} of {len(rows):,} examples of the {split} split have a "
                    f"{features[place].name!r} that no training example has (the first is "
                    f"{first}): its inputs are all 0."
                )
    return understood.model_copy(update={"columns": columns}).told(*notices)
