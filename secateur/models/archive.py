"""What is inside a `.keras` file, looked at without TensorFlow and without unpacking it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

_NEEDED = {"metadata.json", "config.json"}
_LARGEST_CONFIG = 256 << 20
_SWELLING = 100
"""Times its size that a file may unpack to, once that is more than `_HARMLESS` bytes."""
_HARMLESS = 1 << 30
_CODE = {"Lambda": "a Lambda layer", "__lambda__": "a Python lambda"}


def check_archive(path: Path) -> None:
    """Refuses what is no `.keras` file, would swell beyond measure, or holds code.

    Args:
        path: An existing file.

    Raises:
        ValueError: One sentence.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = _checked(path, archive)
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError) as error:
        raise ValueError(
            f"The model file {str(path)!r} is no .keras file, which is a zip archive ({error}); "
            "save the model anew by model.save('model.keras')."
        ) from error
    for name in _class_names(config):
        if name in _CODE:
            raise ValueError(
                f"The model file {str(path)!r} holds {_CODE[name]}, which is code that would run "
                "when it is loaded; replace it by layers of Keras, or by a layer class of your own "
                "and model.factory."
            )


def _checked(path: Path, archive: zipfile.ZipFile) -> Any:
    """The configuration, once the archive is known to be harmless."""
    members = archive.infolist()
    missing = sorted(_NEEDED - {member.filename for member in members})
    if missing:
        raise ValueError(
            f"The model file {str(path)!r} is an archive without {' and '.join(missing)}, and no "
            ".keras file; save the model anew by model.save('model.keras')."
        )
    for member in members:
        place = PurePosixPath(member.filename)
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(
                f"The model file {str(path)!r} would write {member.filename!r} outside its folder; "
                "do not load it."
            )
    unpacked = sum(member.file_size for member in members)
    size = path.stat().st_size
    config = archive.getinfo("config.json")
    if (unpacked > _HARMLESS and unpacked > _SWELLING * size) or (
        config.file_size > _LARGEST_CONFIG
    ):
        raise ValueError(
            f"The model file {str(path)!r} has {size:,} bytes and would unpack to {unpacked:,}, "
            "which no model does; do not load it."
        )
    try:
        return json.loads(archive.read(config))
    except ValueError as error:
        raise ValueError(
            f"The model file {str(path)!r} has a configuration that is no JSON ({error}); save the "
            "model anew by model.save('model.keras')."
        ) from error


def _class_names(config: Any) -> Iterator[str]:
    """Every `class_name` in a configuration, however deep."""
    rest = [config]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            if isinstance(name := value.get("class_name"), str):
                yield name
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
