"""TFDS data sets that are no images with a class: texts, tables, regressions, chosen features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from secateur.datasets.config import DatasetConfig
from secateur.datasets.places import choose
from secateur.datasets.raw import ROWS, Raw, spool


def read(builder: Any, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Reads the features that the parameters name, or else the builder's `supervised_keys`."""
    features = builder.info.features
    names = _names(builder, config)
    for name in [*names[0], *names[1]]:
        feature = features[name]
        if isinstance(feature, tfds.features.Text):
            continue
        if None in (feature.shape or ()) or not np.issubdtype(feature.np_dtype, np.number):
            raise ValueError(
                f"The feature {name!r} of {builder.name!r} is a {type(feature).__name__} of shape "
                f"{feature.shape}; allowed are numbers of one shape and text."
            )
    label = features[names[1][0]] if names[1] else None
    classes = tuple(label.names) if isinstance(label, tfds.features.ClassLabel) else None
    own = [name for name, split in builder.info.splits.items() if split.num_examples]
    if "train" not in own:
        raise ValueError(
            f"The data set {builder.name!r} has no split named 'train', only {', '.join(own)}."
        )
    raw = {}
    for split in ("train", "validation", "test"):
        if split in own:
            where = f"the split {split} of {builder.name!r}"
            found = spool(_batches(builder, split, names), scratch / split, where)
            raw[split] = Raw(found.inputs, found.targets, classes)
    return raw


def _names(builder: Any, config: DatasetConfig) -> tuple[list[str], list[str]]:
    keys = builder.info.supervised_keys
    given = config
    if keys and len(keys) == 2 and all(isinstance(key, str) for key in keys):
        update = {} if config.features else {"features": (keys[0],)}
        if not config.targets and config.task != "language_model":
            update["target"] = (keys[1],)
        given = config.model_copy(update=update)
    return choose(list(builder.info.features), given)


def _batches(builder: Any, split: str, names: tuple[list[str], list[str]]) -> Iterator[tuple]:
    examples = builder.as_dataset(
        split=split,
        shuffle_files=False,
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
    )
    for batch in examples.batch(ROWS).prefetch(1).as_numpy_iterator():
        yield tuple({name: batch[name] for name in side} for side in names)
