"""What splits are called, and which of them measures. Imports no TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from secateur.datasets.config import DatasetConfig

NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What a split can be called, in any case, and which it is."""

_SHARD = re.compile(r"(.+?)[-_.](\d+)(?:[-_]of[-_](\d+))?(?:[-_.][0-9a-f]{6,})?")
_AFTER = re.compile(r"(.+\.tfrecords?)-(\d+)-of-(\d+)", re.IGNORECASE)
_START = re.compile(r"([a-z]+)[-.].+", re.IGNORECASE)
_END = re.compile(r".+[-_.]([a-z]+)", re.IGNORECASE)

T = TypeVar("T")


class Name(NamedTuple):
    """A file's name, taken apart.

    Attributes:
        stem: What is left without number and ending: all shards of one split have the same.
        number: Of a shard.
        digits: Where in the name that number begins and ends.
        total: How many shards there are, where the name says it.
        split: Which split it names; None for none.
    """

    stem: str
    number: int | None
    digits: tuple[int, int]
    total: int | None
    split: str | None


def split_of(name: str) -> str | None:
    """`train`, `validation` or `test`, where that is what a name says; else None."""
    return NAMES.get(name.lower())


def without_shard(name: str) -> str:
    """`a.tfrecord` of `a.tfrecord-00000-of-00002`, as TFDS writes them; others as they are."""
    match = _AFTER.fullmatch(name)
    return match[1] if match else name


def parse(name: str, ending: str) -> Name:
    """Takes the name of a data file apart: `train_00.csv`, `cats-test.tfrecord-00000-of-00002`.

    Args:
        name: The file's.
        ending: What tells its kind, such as `.csv`.
    """
    after = _AFTER.fullmatch(name)
    stem = without_shard(name)
    stem = stem[: len(stem) - len(ending)]
    match = after or _SHARD.fullmatch(stem)
    stem = match[1] if match and not after else stem
    split = split_of(stem)
    for form in (_START, _END):
        if split is None and (part := form.fullmatch(stem)):
            split = split_of(part[1])
    if match is None:
        return Name(stem, None, (0, 0), None, split)
    return Name(stem, int(match[2]), match.span(2), int(match[3]) if match[3] else None, split)


def by_split(names: Iterable[str], where: str) -> dict[str, str]:
    """Which of our splits each name of a source's own is: `{"validation": "dev"}`.

    Names that are none of ours stand for themselves.

    Raises:
        ValueError: One sentence: two names are the same split.
    """
    found: dict[str, str] = {}
    for name in names:
        split = split_of(name) or name
        if split in found:
            raise ValueError(
                f"{where} has {found[split]!r} and {name!r}, which both are the {split} split; "
                "leave one out, or rename it."
            )
        found[split] = name
    return found


def in_one(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Splits whose arrays lie in one archive: `x_train`, `y_train`, `x_test` and `y_test`.

    Returns:
        Split -> what an array is called without it -> its name; empty where the names are not all
        such, the training split is not there, or another one has other arrays.
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        first, _, rest = name.partition("_")
        start, _, last = name.rpartition("_")
        split, bare = split_of(last), start
        if split is None:
            split, bare = split_of(first), rest
        if split is None or not bare or bare in found.get(split, {}):
            return {}
        found.setdefault(split, {})[bare] = name
    stems = {frozenset(arrays) for arrays in found.values()}
    return found if "train" in found and len(found) > 1 and len(stems) == 1 else {}


def measured(splits: Mapping[str, T], config: DatasetConfig) -> dict[str, T]:
    """The splits that are used: what `dataset.test_split` names is the test split.

    The source's own `test` is then left out. Where `train` is named there is none, so that a share
    of it is held out.

    Raises:
        ValueError: One sentence: there is no such split.
    """
    used = {name: split for name, split in splits.items() if name in NAMES.values()}
    if config.test_split is None:
        return used
    name = split_of(config.test_split) or config.test_split
    if name not in splits:
        raise ValueError(
            f"dataset.test_split is {config.test_split!r}, which {config.label!r} does not have; "
            f"it has {', '.join(splits)}."
        )
    used.pop("test", None)
    if name != "train":
        used.pop(name, None)
        used["test"] = splits[name]
    return used
