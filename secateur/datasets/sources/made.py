"""A user's own function that gives `tf.data.Dataset`s."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from secateur.datasets.config import DatasetConfig
from secateur.datasets.raw import ROWS, Raw, spool
from secateur.datasets.split_names import NAMES, by_split, measured


def read(config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """Calls `config.factory` without arguments, and keeps what its data sets yield.

    Raises:
        ValueError: One sentence: the function fails, or gives something else.
    """
    name = config.factory
    assert name is not None
    given = _call(name)
    splits = given if isinstance(given, Mapping) else {"train": given}
    own = by_split(map(str, splits), f"dataset.factory {name!r}")
    if "train" not in own or not {*own} - {config.test_split} <= {*NAMES.values()}:
        raise ValueError(
            f"dataset.factory {name!r} gave the splits {', '.join(map(str, splits))}; allowed are "
            "train, validation and test, and train has to be there."
        )
    return {
        split: spool(_batches(splits[key], name), scratch / split, f"the split {key} of {name!r}")
        for split, key in measured(own, config).items()
    }


def _call(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)()
    except Exception as error:  # the user's code
        first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
        raise ValueError(
            f"dataset.factory {name!r} failed: {type(error).__name__}: {first}."
        ) from error


def _batches(data: Any, name: str) -> Iterator[tuple[dict, dict]]:
    spec = getattr(data, "element_spec", None)
    if not isinstance(data, tf.data.Dataset) or not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(
            f"dataset.factory {name!r} gave {data!r}; it has to give a tf.data.Dataset that yields "
            "single pairs (input, target), not batched, or a dict of such by split."
        )
    batches = data.batch(ROWS).prefetch(1).as_numpy_iterator()
    while True:
        try:
            x, y = next(batches)
        except StopIteration:
            return
        except Exception as error:  # the user's code, and examples that cannot be batched
            first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
            raise ValueError(
                f"The data of dataset.factory {name!r} cannot be read: {type(error).__name__}: "
                f"{first}."
            ) from error
        yield _named(x, "", name), _named(y, "target", name)


def _named(values: Any, single: str, name: str) -> dict[str, np.ndarray]:
    values = values if isinstance(values, Mapping) else {single: values}
    if not all(isinstance(value, np.ndarray) for value in values.values()):
        raise ValueError(
            f"dataset.factory {name!r} yields nested inputs or targets; allowed are an array or a "
            "dict of arrays."
        )
    return dict(values)
