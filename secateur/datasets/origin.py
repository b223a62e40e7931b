"""Which file and which row an example of several files comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class FilePart(BaseModel):
    """A file, and how many examples of which split of the source it holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    split: str
    examples: int = Field(ge=0)


class Origin(NamedTuple):
    """Files in the order in which their examples follow one another, split by split.

    Attributes:
        parts: The files.
        word: What an example is called: `row`, `record` or `example`.
    """

    parts: tuple[FilePart, ...]
    word: str = "row"

    @classmethod
    def of(cls, parts: Sequence[tuple[str, str, int]], word: str = "row") -> Origin:
        """Of (name of a file, split, examples)."""
        return cls(tuple(FilePart(name=n, split=s, examples=e) for n, s, e in parts), word)

    def of_split(self, split: str) -> Origin:
        """The files of one split."""
        return self._replace(parts=tuple(part for part in self.parts if part.split == split))

    def where(self, example: int) -> str:
        """`row 3 of 'train.csv'`, by the number over all files, from 0."""
        for part in self.parts:
            if example < part.examples:
                return f"{self.word} {example + 1} of {part.name!r}"
            example -= part.examples
        raise IndexError(example)

    @property
    def examples(self) -> int:
        """Of all files."""
        return sum(part.examples for part in self.parts)

    @property
    def name(self) -> str:
        """What the data are called in a sentence."""
        more = len(self.parts) - 1
        return f"{self.parts[0].name!r}" + (f" and {more} more" if more else "")

    def slices(self) -> dict[str, slice]:
        """The examples of each split."""
        found: dict[str, slice] = {}
        start = 0
        for part in self.parts:
            begin = found[part.split].start if part.split in found else start
            start += part.examples
            found[part.split] = slice(begin, start)
        return found
