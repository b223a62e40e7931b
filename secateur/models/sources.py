"""What may be loaded as a model, answered without importing TensorFlow or the user's code."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import re
from pathlib import Path

from secateur.factories import check_factory, check_module
from secateur.models.archive import check_archive
from secateur.models.config import ModelConfig
from secateur.models.own_code import own_modules
from secateur.store import package_digest


def check_model(config: ModelConfig) -> None:
    """Refuses a file that is not there or not safe to load, and what is not allowed or no name.

    Raises:
        ValueError: One sentence.
    """
    if config.path is not None:
        path = Path(config.path).expanduser()
        if not path.is_file():
            raise ValueError(
                f"model.path is {config.path!r}, which is no file; give a .keras file."
            )
        if path.suffix != ".keras":
            raise ValueError(
                f"model.path is {config.path!r}; allowed is a file that ends in .keras: load yours "
                "in Keras and save it as one."
            )
        check_archive(path)
        for module in own_modules(path):
            check_module("A layer of model.path", module)
    if config.factory is not None:
        check_factory("model.factory", config.factory)
    if config.application is not None:
        _check_application(config.application, config.weights)
    if config.preset is not None:
        _check_preset(config.preset)


def _check_application(name: str, weights: str | None) -> None:
    names = application_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3) or names[:3]
        raise ValueError(
            f"model.application is {name!r}, which is no name of keras.applications; did you mean "
            f"{' or '.join(map(repr, near))}?"
        )
    if weights is not None and not Path(weights).expanduser().is_file():
        raise ValueError(f"model.weights is {weights!r}, which is no file; give a .h5 file.")


def application_names() -> list[str]:
    """The functions of the installed keras.applications, read from its source, not imported."""
    spec = importlib.util.find_spec("keras")
    assert spec is not None
    assert spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0], "applications", "__init__.py")
    return sorted(set(re.findall(r"\b([A-Z]\w+) as \1\b", source.read_text())))


def _check_preset(folder: str) -> None:
    path = Path(folder).expanduser()
    if not (path / "config.json").is_file():
        raise ValueError(
            f"model.preset is {folder!r}; allowed is the folder of a KerasHub preset, in which a "
            "config.json is."
        )
    if importlib.util.find_spec("keras_hub") is None:
        raise ValueError(
            "model.preset needs the package keras-hub, which is not installed: "
            "pip install 'secateur[hub]'."
        )
    for module in own_modules(path):
        check_module("A layer of model.preset", module)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, read a piece at a time."""
    with Path(path).expanduser().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_fingerprint(config: ModelConfig) -> str | None:
    """Digest of the user's file or code that a model comes from; None for an architecture."""
    if config.path is not None:
        modules = own_modules(Path(config.path).expanduser())
        return "-".join([file_digest(config.path), *map(package_digest, modules)])
    if config.weights is not None:
        return file_digest(config.weights)
    if config.preset is not None:
        folder = Path(config.preset).expanduser()
        files = sorted(f for f in folder.rglob("*") if f.is_file())
        return "-".join([*map(file_digest, files), *map(package_digest, own_modules(folder))])
    if config.factory is not None:
        return package_digest(config.factory.partition(":")[0])
    return None
