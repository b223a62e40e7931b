"""TFRecord files of `tf.train.Example`, read by tf.data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from secateur.datasets.config import DatasetConfig
from secateur.datasets.pictures.heads import is_image
from secateur.datasets.pictures.pictures import Pictures
from secateur.datasets.places import Place, choose
from secateur.datasets.raw import ROWS, Raw, spool

_DTYPES = {"int64_list": tf.int64, "float_list": tf.float32, "bytes_list": tf.string}


def read(place: Place, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Each key of the first record is a feature; every other record has the same keys and lengths.

    Lists of numbers are vectors (a single number, a number); bytes are images where they begin as
    one does, else texts.
    """
    spec, images = _spec(place.splits["train"][0])
    features, targets = choose(list(spec), config)
    wanted = {name: spec[name] for name in [*features, *targets]}
    pictures = {
        name: Pictures(f"{name} of {config.path}", config.image_size)
        for name in wanted
        if name in images
    }
    for files in place.splits.values() if pictures else ():
        for batch, places in _parsed(files, {name: spec[name] for name in pictures}):
            for name, key in pictures.items():
                for content, where in zip(batch[name], places, strict=True):
                    key.look(content, f"{name} of {where}")

    def split(name: str, files: tuple[Path, ...]) -> Raw:
        batches = (
            ({f: batch[f] for f in features}, {t: batch[t] for t in targets})
            for batch in _batches(files, wanted, pictures)
        )
        found = spool(batches, scratch / name, f"the split {name} of {config.path!r}")
        return Raw(found.inputs, found.targets, pictures=pictures)

    return {name: split(name, files) for name, files in place.splits.items()}


def _spec(file: Path) -> tuple[dict[str, Any], set[str]]:
    """What the first record holds, and which keys of it are images."""
    first = next(_records((file,)), None)
    if first is None:
        raise ValueError(f"{file.name!r} holds no records.")
    try:
        example = tf.train.Example.FromString(first[2])
    except Exception as error:  # protobuf's DecodeError, of whichever of its builds
        raise ValueError(
            f"The first record of {file.name!r} is no tf.train.Example; write your data as such."
        ) from error
    spec: dict[str, Any] = {}
    images = set()
    for name, feature in sorted(example.features.feature.items()):
        kind = feature.WhichOneof("kind")
        values = getattr(feature, kind).value if kind else ()
        if not values:
            raise ValueError(
                f"The key {name!r} of the first record of {file.name!r} is empty; each record has "
                "to hold the same number of values."
            )
        shape = [] if len(values) == 1 else [len(values)]
        spec[name] = tf.io.FixedLenFeature(shape, _DTYPES[kind])
        if kind == "bytes_list" and is_image(values[0]):
            images.add(name)
    return spec, images


def _records(files: tuple[Path, ...]) -> Iterator[tuple[Path, int, bytes]]:
    """File, number and bytes of each record."""
    for file in files:
        count = 0
        try:
            for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
                count += 1
                yield file, count, record
        except tf.errors.DataLossError as error:
            raise ValueError(
                f"{file.name!r} is cut short or damaged after {count} records; copy or write it "
                "again."
            ) from error


def _parsed(
    files: tuple[Path, ...], spec: dict[str, Any]
) -> Iterator[tuple[dict[str, np.ndarray], list[str]]]:
    """The keys of so many records at a time, and what each record is called."""
    records = _records(files)
    while part := list(itertools.islice(records, ROWS)):
        try:
            parsed = tf.io.parse_example([record for _, _, record in part], spec)
        except tf.errors.InvalidArgumentError as error:
            raise ValueError(
                f"{part[0][0].name!r} has a record that is not like the first one of its keys "
                f"{', '.join(spec)} ({_reason(error)}); each has to hold the same number of values."
            ) from error
        places = [f"record {number} of {file.name}" for file, number, _ in part]
        yield {name: values.numpy() for name, values in parsed.items()}, places


def _batches(
    files: tuple[Path, ...], spec: dict[str, Any], pictures: dict[str, Pictures]
) -> Iterator[dict[str, np.ndarray]]:
    for batch, places in _parsed(files, spec):
        for name, key in pictures.items():
            batch[name] = np.stack(
                [
                    key.decode(content, f"{name} of {where}")
                    for content, where in zip(batch[name], places, strict=True)
                ]
            )
        yield batch


def _reason(error: tf.errors.OpError) -> str:
    words = str(error.message).strip().splitlines()[0]
    return words.partition("Key: ")[1] + words.partition("Key: ")[2] if "Key: " in words else words
