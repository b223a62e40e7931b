"""What all records of TFRecord files hold: which keys, of which kind, how many values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isqrt
from pathlib import Path

import tensorflow as tf

from secateur.datasets.pictures.heads import is_image

Record = tuple[Path, int, bytes]
"""File, number in it from 1, and bytes."""


@dataclass
class Key:
    """A key over all records.

    Attributes:
        kinds: `int64_list`, `float_list` or `bytes_list` -> records.
        lengths: Number of values -> records; 0 of a record that lacks the key.
        first: And the first record of each, as `record 3 of 'a.tfrecord'`.
        images: Records whose bytes begin as a picture does.
        sizes: Of bytes: how many they are -> records.
        binary: The first record whose bytes are no text; empty where there is none.
        value: A whole number that all records have; None where they differ.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    first: dict[int, str] = field(default_factory=dict)
    images: int = 0
    sizes: Counter[int] = field(default_factory=Counter)
    binary: str = ""
    value: int | None = None


def scan(records: Iterable[Record]) -> tuple[dict[str, Key], int]:
    """Reads all records.

    Returns:
        The keys by name, sorted, and the number of records.

    Raises:
        ValueError: One sentence: a record is no tf.train.Example.
    """
    keys: dict[str, Key] = {}
    total = 0
    first = ""
    for file, number, record in records:
        where = f"record {number} of {file.name!r}"
        try:
            example = tf.train.Example.FromString(record)
        except Exception as error:  # protobuf's DecodeError, of whichever of its builds
            raise ValueError(
                f"The {where} is no tf.train.Example; write your data as such."
            ) from error
        found = example.features.feature
        for name in {*keys, *found}:
            kind = found[name].WhichOneof("kind") if name in found else None
            values: Sequence = getattr(found[name], kind).value if kind else []
            if name not in keys:
                if not len(values):
                    continue
                keys[name] = Key(value=values[0] if kind == "int64_list" else None)
                if total:
                    keys[name].lengths[0] = total
                    keys[name].first[0] = first
            _note(keys[name], kind, values, where)
        first = first or where
        total += 1
    return dict(sorted(keys.items())), total


def _note(key: Key, kind: str | None, values: Sequence, where: str) -> None:
    count = len(values)
    key.lengths[count] += 1
    key.first.setdefault(count, where)
    if kind is None or not count:
        return
    key.kinds[kind] += 1
    if kind == "int64_list" and key.value is not None and (count != 1 or values[0] != key.value):
        key.value = None
    if kind == "bytes_list":
        content = values[0]
        key.sizes[len(content)] += 1
        if is_image(content):
            key.images += 1
        elif not key.binary and _is_binary(content):
            key.binary = where


def _is_binary(content: bytes) -> bool:
    """Whether bytes are no text: a zero byte, or no UTF-8."""
    if b"\0" in content:
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return True
    return False


def likely_shape(key: Key, keys: dict[str, Key]) -> tuple[int, ...]:
    """Height, width and channels that raw pixels may have; empty where nothing tells."""
    (size,) = key.sizes
    names = (("height", "rows"), ("width", "cols", "columns"), ("depth", "channels"))
    told = []
    for some in names:
        values = (
            found.value
            for name, found in keys.items()
            if any(word in name.lower() for word in some) and found.value is not None
        )
        told.append(next(values, None))
    height, width, depth = told
    if height and width:
        channels = depth or size // (height * width)
        if height * width * channels == size:
            return height, width, channels
    for channels in (1, 3):
        side = isqrt(size // channels)
        if side > 1 and side * side * channels == size:
            return side, side, channels
    return ()
