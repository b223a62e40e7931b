"""TFRecord files of `tf.train.Example`, plain or compressed, read by tf.data."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from secateur.datasets.config import DatasetConfig
from secateur.datasets.origin import Origin
from secateur.datasets.pictures.pictures import Pictures
from secateur.datasets.places import Place, choose
from secateur.datasets.raw import ROWS, Raw, spool
from secateur.datasets.sources.about import about
from secateur.datasets.sources.record_keys import Key, Record, scan
from secateur.datasets.sources.record_specs import Way, way_of
from secateur.datasets.understanding import Column, Understanding

_DTYPES = {"int64_list": tf.int64, "float_list": tf.float32, "bytes_list": tf.string}


def read(place: Place, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Each key of any record is a feature; all records are read once before, to know them.

    Lists of numbers are vectors (a single number, a number); bytes are pictures where they begin
    as one does, pixels where `dataset.shape` has as many values, else texts.

    Raises:
        ValueError: One sentence, with the file, and the record or the number of records.
    """
    counts: Counter[tuple[str, str]] = Counter()

    def counted() -> Iterator[Record]:
        for split, files in place.splits.items():
            for file in files:
                counts[file.name, split] = 0
                for record in _records((file,)):
                    counts[file.name, split] += 1
                    yield record
                if not counts[file.name, split]:
                    raise ValueError(f"{file.name!r} holds no records.")

    keys, total = scan(counted())
    features, targets = choose(list(keys), config)
    wanted = list(dict.fromkeys([*features, *targets]))
    ways = {name: way_of(name, keys, total, config, name in targets) for name in wanted}
    pictures = {
        name: Pictures(f"{name} of {config.path}", config.image_size)
        for name in wanted
        if ways[name] == "picture"
    }
    for files in place.splits.values() if pictures else ():
        for batch, places in _parsed(files, {name: keys[name] for name in pictures}):
            for name, key in pictures.items():
                for content, where in zip(batch[name], places, strict=True):
                    key.look(content, f"{name} of {where}")

    def split(name: str, files: tuple[Path, ...]) -> Raw:
        batches = (
            ({f: batch[f] for f in features}, {t: batch[t] for t in targets})
            for batch in _batches(files, {n: keys[n] for n in wanted}, ways, pictures, config)
        )
        found = spool(batches, scratch / name, f"the split {name} of {config.path!r}")
        return Raw(found.inputs, found.targets, pictures=pictures)

    raw = {name: split(name, files) for name, files in place.splits.items()}
    understood = Understanding(
        format="tfrecord",
        files=Origin.of([(*key, count) for key, count in counts.items()], "record").parts,
        compression=_compression(place.splits["train"][0]).lower() or None,
        columns=tuple(_columns(raw, ways, keys)),
    )
    return {name: replace(part, understood=understood) for name, part in raw.items()}


def _columns(raw: dict[str, Raw], ways: dict[str, Way], keys: Iterable[str]) -> Iterator[Column]:
    sides: tuple[tuple[Literal["feature", "target"], Any], ...] = (
        ("feature", [part.inputs for part in raw.values()]),
        ("target", [part.targets for part in raw.values()]),
    )
    for role, parts in sides:
        for name in parts[0]:
            column = about(name, role, [part[name] for part in parts])
            if ways[name] in ("picture", "pixels"):
                kind = {"picture": "image", "pixels": "pixels"}[ways[name]]
                column = column.model_copy(update={"kind": kind})
            yield column
    for name in keys:
        if name not in ways:
            yield Column(name=name, role="left out", why="not among dataset.features")


def _compression(file: Path) -> str:
    """`GZIP`, `ZLIB` or nothing, by whether a first record can be read, and how it begins."""
    with file.open("rb") as opened:
        start = opened.read(2)
    packed = "GZIP" if start == b"\x1f\x8b" else "ZLIB" if start[:1] == b"\x78" else ""
    if packed:  # which the length of a record can look like
        try:
            next(tf.data.TFRecordDataset(str(file)).as_numpy_iterator(), None)
        except tf.errors.OpError:
            return packed
    return ""


def _records(files: tuple[Path, ...]) -> Iterator[Record]:
    """File, number and bytes of each record."""
    for file in files:
        count = 0
        data = tf.data.TFRecordDataset(str(file), compression_type=_compression(file))
        try:
            for record in data.as_numpy_iterator():
                count += 1
                yield file, count, record
        except tf.errors.OpError as error:
            raise ValueError(
                f"{file.name!r} is cut short or damaged after {count} records; copy or write it "
                "again."
            ) from error


def _parsed(
    files: tuple[Path, ...], keys: dict[str, Key]
) -> Iterator[tuple[dict[str, np.ndarray], list[str]]]:
    """The values of so many records at a time, and what each record is called."""
    spec = {}
    for name, key in keys.items():
        (length,), (kind,) = key.lengths, key.kinds
        spec[name] = tf.io.FixedLenFeature([] if length == 1 else [length], _DTYPES[kind])
    records = _records(files)
    while part := list(itertools.islice(records, ROWS)):
        parsed = tf.io.parse_example([record for _, _, record in part], spec)
        places = [f"record {number} of {file.name}" for file, number, _ in part]
        yield {name: values.numpy() for name, values in parsed.items()}, places


def _batches(
    files: tuple[Path, ...],
    keys: dict[str, Key],
    ways: dict[str, Way],
    pictures: dict[str, Pictures],
    config: DatasetConfig,
) -> Iterator[dict[str, np.ndarray]]:
    for batch, places in _parsed(files, keys):
        for name, key in pictures.items():
            batch[name] = np.stack(
                [
                    key.decode(content, f"{name} of {where}")
                    for content, where in zip(batch[name], places, strict=True)
                ]
            )
        for name in keys:
            if ways[name] == "pixels":
                content = b"".join(batch[name].tolist())
                shape = (len(places), *(config.shape or ()))
                batch[name] = np.frombuffer(content, np.uint8).reshape(shape)
        yield batch
