"""What is in a folder and meant as data. Imports no TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = frozenset(
    {
        "__macosx",
        "__pycache__",
        "@eadir",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
    }
)
"""Names, in lower case, that systems put beside a user's files; and so are those with a dot."""

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
"""Endings of picture files, where only names are looked at."""


def hidden(name: str) -> bool:
    """Whether a file or a folder of this name is none of the user's data."""
    return name.startswith(".") or name.lower() in LEFT_OUT


def entries(folder: Path) -> list[Path]:
    """The files and folders in a folder, sorted, without the hidden ones."""
    return sorted(entry for entry in folder.iterdir() if not hidden(entry.name))


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, sorted, without what is hidden or below something hidden.

    Links to folders are followed, but none to a folder that holds the link.
    """
    above = Path(os.path.realpath(folder)).parents
    yield from _below(folder, frozenset(map(str, above)))


def _below(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    here = os.path.realpath(folder)
    if here in above:  # a link to a folder that holds it
        return
    for entry in entries(folder):
        if entry.is_dir():
            yield from _below(entry, above | {here})
        elif entry.is_file():
            yield entry


def has_pictures(folder: Path) -> bool:
    """Whether a file below a folder is called as pictures are."""
    return any(file.suffix.lower() in PICTURES for file in files_below(folder))
