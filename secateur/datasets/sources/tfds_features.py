"""TFDS data sets that are no images with a class: texts, tables, regressions, chosen features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from secateur.datasets.config import DatasetConfig
from secateur.datasets.pictures.pictures import Pictures
from secateur.datasets.places import choose
from secateur.datasets.raw import Raw, spool
from secateur.datasets.split_names import by_split, measured
from secateur.datasets.tfds_pictures import encoded, examples, look_over, values


def read(builder: Any, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Reads the features that the parameters name, or else the builder's `supervised_keys`."""
    features = builder.info.features
    names = _names(builder, config)
    for name in [*names[0], *names[1]]:
        feature = features[name]
        if isinstance(feature, tfds.features.Text):
            continue
        if name in names[0] and encoded(builder, name):
            continue
        if None in (feature.shape or ()) or not np.issubdtype(feature.np_dtype, np.number):
            raise ValueError(
                f"The feature {name!r} of {builder.name!r} is a {type(feature).__name__} of shape "
                f"{feature.shape}; allowed are numbers of one shape and text."
            )
    label = features[names[1][0]] if names[1] else None
    classes = tuple(label.names) if isinstance(label, tfds.features.ClassLabel) else None
    splits = own_splits(builder, config)
    pictures = {
        name: seen
        for name in names[0]
        if (seen := look_over(builder, name, splits.values(), config)) is not None
    }
    raw = {}
    for split, own in splits.items():
        where = f"the split {own} of {builder.name!r}"
        batches = _batches(builder, own, names, pictures)
        found = spool(batches, scratch / split, where)
        raw[split] = Raw(found.inputs, found.targets, classes, pictures)
    return raw


def own_splits(builder: Any, config: DatasetConfig) -> dict[str, str]:
    """Which of the builder's splits are used, and as what: `{"train": "train", "test": "dev"}`.

    Raises:
        ValueError: One sentence: none trains, or the one that shall measure is not there.
    """
    own = [name for name, split in builder.info.splits.items() if split.num_examples]
    splits = by_split(own, f"The data set {builder.name!r}")
    if "train" not in splits:
        raise ValueError(
            f"The data set {builder.name!r} has no split named 'train', only {', '.join(own)}."
        )
    return measured(splits, config)


def _names(builder: Any, config: DatasetConfig) -> tuple[list[str], list[str]]:
    keys = builder.info.supervised_keys
    given = config
    if keys and len(keys) == 2 and all(isinstance(key, str) for key in keys):
        update = {} if config.features else {"features": (keys[0],)}
        if not config.targets and config.task != "language_model":
            update["target"] = (keys[1],)
        given = config.model_copy(update=update)
    return choose(list(builder.info.features), given)


def _batches(
    builder: Any,
    split: str,
    names: tuple[list[str], list[str]],
    pictures: Mapping[str, Pictures],
) -> Iterator[tuple]:
    start = 0
    for batch in examples(builder, split, [*names[0], *names[1]], names[1]):
        for name, found in pictures.items():
            batch[name] = values(found, batch[name], name, split, start)
        start += len(next(iter(batch.values())))
        yield tuple({name: batch[name] for name in side} for side in names)
