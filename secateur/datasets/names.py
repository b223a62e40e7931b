"""Which names the pipeline can load, answered without importing TensorFlow."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from secateur.datasets.config import DatasetConfig
from secateur.datasets.places import check_place, fingerprint
from secateur.factories import check_factory
from secateur.store import package_digest

BUNDLED = ("mnist_5k", "digits", "breast_cancer", "wine", "diabetes", "languages")
"""Data sets of this project: the names of `builders.BUILDERS`."""

EXTRAS = {"languages": ("django", "text")}
"""Bundled sets that need a package which comes with an extra: name -> (package, extra)."""

_CLASS = re.compile(r"^class\s+(\w+)\(", re.MULTILINE)


@functools.cache
def tfds_names() -> frozenset[str]:
    """The names that the installed TFDS knows, and a few more.

    TFDS lists its builders only by importing them all, and TensorFlow with them (seconds). This
    reads its source instead: the folders of `datasets/` and the snake case of every class.
    """
    spec = importlib.util.find_spec("tensorflow_datasets")
    assert spec is not None
    assert spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0])
    names = {path.name for path in (root / "datasets").iterdir() if path.is_dir()}
    for path in root.rglob("*.py"):
        if "core" not in path.parts and not path.name.endswith("_test.py"):
            names.update(_snake_case(name) for name in _CLASS.findall(path.read_text()))
    return frozenset(names)


def _snake_case(name: str) -> str:
    """The name that TFDS gives to a builder's class (its `naming.camelcase_to_snakecase`)."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def base_name(name: str) -> str:
    """`"mnist"` of `"mnist/config:3.0.1"`."""
    return re.split("[/:]", name, maxsplit=1)[0]


def check_dataset(config: DatasetConfig) -> None:
    """Refuses what cannot be loaded, from the parameters and the folder alone.

    Raises:
        ValueError: One sentence: an unknown name, a `data_dir` that is no folder, a path at which
            no such data are, or a factory that is not allowed.
    """
    if config.factory is not None:
        check_factory("dataset.factory", config.factory)
        return
    if config.path is not None:
        check_place(config)
        return
    assert config.name is not None
    name = base_name(config.name)
    if name in EXTRAS and importlib.util.find_spec(EXTRAS[name][0]) is None:
        package, extra = EXTRAS[name]
        raise ValueError(
            f"dataset.name is {name!r}, which is made from the package {package}, and that is not "
            f"installed: pip install 'secateur[{extra}]'."
        )
    if config.data_dir is not None:
        folder = Path(config.data_dir).expanduser()
        if not folder.is_dir():
            raise ValueError(
                f"dataset.data_dir is {config.data_dir!r}, which is no folder; give the folder "
                "that holds the prepared TFDS data set, or leave it out."
            )
        if (folder / name).is_dir():
            return
    if name in BUNDLED or name in tfds_names():
        return
    near = difflib.get_close_matches(name, {*BUNDLED, *tfds_names()}, n=3)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    raise ValueError(
        f"dataset.name is {config.name!r}, which is neither bundled ({', '.join(BUNDLED)}) nor a "
        f"TFDS name nor prepared in dataset.data_dir.{hint}"
    )


def outside_fingerprint(config: DatasetConfig) -> Any:
    """What a data set depends on beside its parameters; part of the cache key of `load_data`.

    Of a path: every file's content. Of a factory: its whole package. Of a TFDS name: the content
    of every prepared file in `data_dir`, so that what was prepared again is read again; empty
    without `data_dir`, where a name and the version of TFDS say what the data is. Of a bundled
    set: the version of the package it is made from.
    """
    if config.path is not None:
        return fingerprint(config.path)
    if config.factory is not None:
        return package_digest(config.factory.partition(":")[0])
    assert config.name is not None
    name = base_name(config.name)
    if name in BUNDLED:
        return metadata.version(EXTRAS[name][0]) if name in EXTRAS else []
    if config.data_dir is None:
        return []
    folder = Path(config.data_dir).expanduser() / name
    return fingerprint(str(folder)) if folder.is_dir() else []
