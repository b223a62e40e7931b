"""`.secateur.json`: what earlier runs wrote into an output folder, and what one is writing now."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from secateur.store.manifest import hash_file, sync

NAME = ".secateur.json"

_STRICT = ConfigDict(extra="forbid", frozen=True)


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or ":" in path:
        raise ValueError(f"{path!r} is no path in the folder")
    return path


Files = dict[Annotated[str, AfterValidator(_inside)], str]
"""SHA-256 of each file, by its path in the folder with `/` between the parts."""


class Writing(BaseModel):
    """Results that are ready, and on their way into their places.

    Attributes:
        command: Whose results.
        workspace: The hidden folder in which they wait, and what they replace is kept.
        files: The results.
        replaced: What earlier runs wrote that they take the place of, or that goes.
        last: The result that vouches for the others: it goes first and comes last.
    """

    model_config = _STRICT

    command: str
    workspace: str = Field(pattern=r"^\.secateur-[0-9a-f]{16}$")
    files: Files
    replaced: Files
    last: str


class Manifest(BaseModel):
    """What is ours in an output folder.

    Attributes:
        runs: The files that the last run of each command wrote.
        writing: What a run is writing, or was when it was killed.
    """

    model_config = _STRICT

    format: Literal["secateur output"] = "secateur output"
    version: Literal[1] = 1
    runs: dict[str, Files] = {}
    writing: Writing | None = None

    @property
    def files(self) -> dict[str, str]:
        """The files of all commands."""
        return {path: digest for files in self.runs.values() for path, digest in files.items()}

    def after(self, command: str, files: dict[str, str]) -> Manifest:
        """The manifest when a command has written these files."""
        others = {
            name: {path: digest for path, digest in theirs.items() if path not in files}
            for name, theirs in self.runs.items()
            if name != command
        }
        return Manifest(runs={**{n: f for n, f in others.items() if f}, command: files})


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None if it has none.

    Raises:
        ValueError: One sentence: what is there is no manifest that this version can read.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        return None
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ValueError("no file")
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError) as error:
        raise ValueError(
            f"output is {str(folder)!r}, whose {NAME!r} is no list of results that this version "
            "can read; give another folder."
        ) from error


def save_manifest(folder: Path, manifest: Manifest, workspace: Path) -> None:
    """Puts a manifest in the place of the one before it, in one step."""
    spare = workspace / NAME
    spare.write_text(manifest.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
    sync(spare)
    os.replace(spare, folder / NAME)
    with contextlib.suppress(OSError):  # it is there, whatever a power cut would make of it
        sync(folder)


def digest(path: Path) -> str | None:
    """SHA-256 of a file; None of what is no file, or a link. An `OSError` if it cannot be read."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    return hash_file(path) if stat.S_ISREG(mode) else None
