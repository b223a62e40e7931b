"""All pictures of one input of a data set: looked over first, then decoded by one rule."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from secateur.datasets.pictures.decode import DTYPES, Rule, decode, resized
from secateur.datasets.pictures.heads import opened

_SIZES = 20  # the most frequent ones that are told


class Pictures:
    """Looks at the heads of all pictures, settles on a rule, and decodes by it.

    Args:
        where: What the data set is called, for messages.
        size: Height and width that pictures are resized to; None where all have one size.
        channels: 1 or 3 where that is known; else it comes from the pictures.
    """

    def __init__(self, where: str, size: tuple[int, int] | None, channels: int | None = None):
        self._where, self._size, self._channels = where, size, channels
        self._modes: Counter[str] = Counter()
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._count = self._turned = 0
        self._first: dict[Any, str] = {}
        self._marks: Counter[str] = Counter()
        self._colours = False
        self._rule: Rule | None = None
        self._shape: tuple[tuple[int, ...], str] | None = None

    def look(self, source: Path | bytes, name: str) -> None:
        """Reads the head of a picture.

        Raises:
            ValueError: One sentence: it is none, or has values that do not go with the others'.
        """
        with opened(source, name) as (_, head):
            pass
        self._count += 1
        self._modes[head.mode] += 1
        self._colours = self._colours or not head.gray
        self._first.setdefault(head.kind, name)
        for mark in ("transparent", "animated", "shallow"):
            if getattr(head, mark):
                self._marks[mark] += 1
                self._first.setdefault(mark, name)
        # A photograph that lies on its side has its height and width the other way round.
        if self._size is None and self._sizes and head.size not in self._sizes:
            other = next(iter(self._sizes))
            if sorted(other) != sorted(head.size):
                raise self._of_two_sizes(self._first[other], other, name, head.size)
        self._first.setdefault(head.size, name)
        self._sizes[head.size] += 1

    @property
    def rule(self) -> Rule:
        """The one rule, once all heads are known.

        Raises:
            ValueError: One sentence: the values have no common range.
        """
        if self._rule is None:
            kinds = [kind for kind in DTYPES if kind in self._first]
            if len(kinds) > 1 and set(kinds) != {"8-bit", "16-bit"}:
                told = " and ".join(f"{kind} ({self._first[kind]})" for kind in kinds)
                raise ValueError(
                    f"The images of {self._where!r} are of several kinds, {told}, whose values "
                    "have no common range; convert them to one."
                )
            deepest: Any = kinds[-1]
            self._rule = Rule(deepest, self._channels or (3 if self._colours else 1))
        return self._rule

    @property
    def mixed(self) -> bool:
        """Whether pictures of 8 bits are beside deeper ones."""
        return "8-bit" in self._first and self.rule.kind != "8-bit"

    def decode(self, source: Path | bytes, name: str) -> np.ndarray:
        """Values `(height, width, channels)`, of the type of `DTYPES`.

        Raises:
            ValueError: One sentence: it is damaged, or of another size than the others.
        """
        values, turned = decode(source, self.rule, name)
        self._turned += turned
        if self._size is not None:
            values = resized(values, self._size)
        elif self._shape is None:
            self._shape = values.shape, name
        elif values.shape != self._shape[0]:
            raise self._of_two_sizes(self._shape[1], self._shape[0], name, values.shape)
        return values

    def _of_two_sizes(self, first: str, one: Any, second: str, other: Any) -> ValueError:
        return ValueError(
            f"The images of {self._where!r} differ in size ({first} has {one[0]}x{one[1]}, "
            f"{second} {other[0]}x{other[1]}); give dataset.image_size, the height and width to "
            "resize them to."
        )

    def notices(self) -> list[str]:
        """What is not as it looks: each a sentence."""
        said = []
        if self.mixed:
            said.append(
                f"The images of {self._where!r} have 8 bits ({self._first['8-bit']}) and 16 "
                f"({self._first['16-bit']}): each counts as a share of its own full range."
            )
        if count := self._marks["animated"]:
            said.append(
                f"{count} of {self._count} images of {self._where!r} have several frames "
                f"({self._first['animated']}): the first one of each is read."
            )
        if count := self._marks["shallow"]:
            said.append(
                f"{count} of {self._count} images of {self._where!r} are TIFFs of more than 8 bits "
                f"a colour ({self._first['shallow']}), of which the upper 8 are read; as PNG all "
                "of them are."
            )
        return said

    def about(self) -> dict[str, Any]:
        """What was understood, for `info["understood"]`."""
        sizes = self._sizes.most_common(_SIZES)
        return {
            "count": self._count,
            "kind": self.rule.kind,
            "channels": self.rule.channels,
            "modes": dict(self._modes.most_common()),
            "sizes": {f"{height}x{width}": count for (height, width), count in sizes},
            "other_sizes": self._count - sum(count for _, count in sizes),
            "resized_to": list(self._size) if self._size else None,
            "turned_upright": self._turned,
            "on_white": self._marks["transparent"],
            "several_frames": self._marks["animated"],
        }
