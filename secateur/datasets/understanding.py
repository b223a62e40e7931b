"""What a reader made of a user's files: kept as `source` of `info["understood"]`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from secateur.datasets.origin import FilePart, Origin

_WORDS = {"csv": "row", "parquet": "row", "tfrecord": "record"}
"""What an example of a format is called; else `example`."""

Kind = Literal["number", "whole number", "yes or no", "category", "text", "image", "pixels"]
"""What one value of a column or key is: `pixels` are bytes without a picture's file format."""


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Told):
    """A column of a table, an array of an archive or a key of records."""

    name: str
    role: Literal["feature", "target", "left out"]
    kind: Kind | None = Field(default=None, description="None of what is left out.")
    shape: tuple[int, ...] = Field(
        default=(), description="Of one example's values, where they are several."
    )
    minimum: float | None = Field(default=None, description="Of numbers, over all splits.")
    maximum: float | None = None
    distinct: int | None = Field(
        default=None, description="Different values over all splits, of categories and labels."
    )
    values: tuple[str, ...] = Field(
        default=(),
        description="Of a category that is a feature: the values of the training split, which "
        "have one input each, in this order.",
    )
    why: str | None = Field(default=None, description="Of what is left out: the reason.")


class Understanding(_Told):
    """What a reader made of the files."""

    format: str = Field(description="`csv`, `parquet`, `npz` or `tfrecord`.")
    files: tuple[FilePart, ...]
    delimiter: str | None = Field(default=None, description="Of a CSV file.")
    decimal: str | None = Field(default=None, description="Of a CSV file.")
    encoding: str | None = Field(default=None, description="Of a CSV file.")
    compression: str | None = Field(default=None, description="Of records: `gzip` or `zlib`.")
    columns: tuple[Column, ...] = ()
    notices: tuple[str, ...] = Field(
        default=(), description="Sentences on what was decided, and which parameter decides else."
    )

    def where(self, split: str, example: int) -> str:
        """`row 3 of 'train.csv'`: an example by its number, from 0, in a split of the source."""
        word = _WORDS.get(self.format, "example")
        return Origin(self.files, word).of_split(split).where(example)

    def told(self, *notices: str) -> Understanding:
        """The same with more notices."""
        return self.model_copy(update={"notices": (*self.notices, *notices)})
