"""Users' own layers in a model: which modules they come from, and what their code is."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from secateur.store import package_digest

_KNOWN = {"keras", "keras_hub", "builtins", "__main__"}
"""Packages that Keras itself imports, and a script, which cannot be imported."""

PRESET_FILES = ("config.json", "task.json")
"""What a KerasHub preset is built from: its backbone and, if there is one, its task."""


def modules_in(config: Any) -> list[str]:
    """Modules beside Keras's own that the objects of a serialized Keras configuration come from."""
    found: set[str] = set()
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            module = part.get("module")
            if part.get("registered_name") and isinstance(module, str) and "class_name" in part:
                found.add(module)
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
    return sorted(m for m in found if m.partition(".")[0] not in _KNOWN)


def own_modules(path: Path) -> list[str]:
    """Those of a `.keras` file or of a preset's folder; none of what is neither.

    Loading it will say what is wrong.
    """
    if path.is_dir():
        return sorted({m for name in PRESET_FILES for m in _modules_of_json(path / name)})
    try:
        with zipfile.ZipFile(path) as archive:
            return modules_in(json.loads(archive.read("config.json")))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return []


def _modules_of_json(path: Path) -> list[str]:
    try:
        return modules_in(json.loads(path.read_text()))
    except (OSError, ValueError):
        return []


def code_digests(config: Any) -> dict[str, str]:
    """Module -> digest of its package, of a serialized Keras configuration."""
    found = {}
    for module in modules_in(config):
        try:
            found[module] = package_digest(module)
        except ValueError:  # made in a notebook: there is no file
            found[module] = ""
    return found
