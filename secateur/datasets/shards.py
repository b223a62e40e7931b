"""Data in several files: whether all of them are there, and whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def listed(names: list[str]) -> str:
    """The first of some names, and how many more there are."""
    first = repr(names[0]) if names else "nothing"
    return f"{first} and {len(names) - 1} more" if len(names) > 1 else first


@contextlib.contextmanager
def whole(builder: Any) -> Iterator[None]:
    """Says of a prepared TFDS data set which file is missing, or was in the way inside the block.

    Args:
        builder: A prepared builder.

    Raises:
        ValueError: One sentence.
    """
    import tensorflow as tf

    files = [Path(path) for split in builder.info.splits.values() for path in split.filepaths]
    if absent := [file.name for file in files if not file.exists()]:
        raise ValueError(
            f"The data set {builder.name!r} in {builder.data_dir} lacks {listed(absent)}; copy it "
            "there, or prepare the data set again."
        )
    try:
        yield
    except tf.errors.OpError as error:
        if (name := _damaged(builder)) is None:
            raise
        raise ValueError(
            f"{name!r} of the data set {builder.name!r} in {builder.data_dir} is cut short or "
            "damaged; copy it again, or prepare the data set again."
        ) from error


def _damaged(builder: Any) -> str | None:
    """The first file that does not hold as many records as it should."""
    import tensorflow as tf

    for split in builder.info.splits.values():
        for path, count in zip(split.filepaths, split.shard_lengths, strict=True):
            if ".tfrecord" not in Path(path).name:  # TFDS has other formats
                continue
            try:
                found = sum(1 for _ in tf.data.TFRecordDataset(str(path)))
            except tf.errors.DataLossError:
                found = -1
            if found != count:
                return Path(path).name
    return None
