"""Pictures of a TFDS data set as they are encoded, for the decoder that files go through, too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from secateur.datasets.config import DatasetConfig
from secateur.datasets.pictures.pictures import Pictures
from secateur.datasets.raw import ROWS


def encoded(builder: Any, name: str) -> bool:
    """Whether a feature is kept as picture files (TFDS packs floats in a way of its own)."""
    feature = builder.info.features[name]
    return isinstance(feature, tfds.features.Image) and np.dtype(feature.np_dtype).kind != "f"


def look_over(
    builder: Any, name: str, splits: Iterable[str], config: DatasetConfig
) -> Pictures | None:
    """Looks at all pictures of a feature; None where it is none of encoded pictures.

    Args:
        builder: A prepared builder.
        name: The feature.
        splits: TFDS's words for the splits that are used.
        config: The size that pictures are brought to.
    """
    if not encoded(builder, name):
        return None
    channels: Any = (builder.info.features[name].shape or (None,))[-1]
    where = f"{name} of {builder.name}"
    pictures = Pictures(where, config.image_size, {1: 1, 3: 3, 4: 3}.get(channels))
    for split in splits:
        number = 0
        for batch in examples(builder, split, [name]):
            for content in batch[name]:
                pictures.look(content, f"{name} {number} of {split}")
                number += 1
    return pictures


def examples(
    builder: Any, split: str, names: list[str], decoded: Iterable[str] = ()
) -> Iterator[dict[str, np.ndarray]]:
    """Examples of a split in their fixed order, so many at a time; pictures as their files.

    Args:
        builder: A prepared builder.
        split: TFDS's word for it.
        names: Features that are wanted.
        decoded: Those of them of which TFDS decodes the pictures.
    """
    files = [name for name in names if name not in set(decoded) and encoded(builder, name)]
    dataset: tf.data.Dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders={name: tfds.decode.SkipDecoding() for name in files},
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
    ).map(lambda example: {name: example[name] for name in names})
    yield from dataset.batch(ROWS).prefetch(1).as_numpy_iterator()


def values(pictures: Pictures, batch: np.ndarray, name: str, split: str, start: int) -> np.ndarray:
    """The decoded pictures of a batch, of which the first one has the number `start`."""
    return np.stack(
        [
            pictures.decode(content, f"{name} {number} of {split}")
            for number, content in enumerate(batch, start)
        ]
    )
