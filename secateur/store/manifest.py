"""The manifest of an object: every file's size and SHA-256, and its own digest."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from secateur.store.artifact import Artifact
from secateur.store.canonical import canonical_json, digest_of
from secateur.store.errors import StoreError

STORE_FORMAT = 1
"""Version of the store's layout and manifests; a part of every key."""

NAME = "manifest.json"
FILES = "files"

BIG_FILE = 64 * 2**20
"""Files above this size need not be hashed at each read if nothing touched them since."""

# A file changed within this time of being hashed may change again without its times showing it.
_SETTLED_NS = 2 * 10**9


Marks = dict[str, list[Any]]
"""Big files by name: bytes, mtime_ns, ctime_ns, inode and SHA-256 when they were last hashed."""


class BrokenError(Exception):
    """An object is not whole; the message says what is wrong with it."""


@dataclass(frozen=True)
class Manifest:
    """All that is known of an object; `files` maps relative POSIX paths to (bytes, SHA-256)."""

    key: str
    digest: str
    stage: str
    created: float
    seconds: float
    files: dict[str, tuple[int, str]]
    metadata: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    upload: str = ""

    @property
    def size(self) -> int:
        return sum(size for size, _ in self.files.values())

    def artifact(self, directory: Path, uri: str) -> Artifact:
        return Artifact(
            key=self.key,
            digest=self.digest,
            stage=self.stage,
            directory=directory,
            uri=uri,
            created=datetime.datetime.fromtimestamp(self.created, datetime.UTC),
            seconds=self.seconds,
            bytes=self.size,
            metadata=self.metadata,
            inputs=self.inputs,
        )

    def to_bytes(self) -> bytes:
        body = {"format": STORE_FORMAT, **asdict(self)}
        return canonical_json({"manifest": body, "sha256": digest_of(body)}).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes, key: str) -> Manifest:
        """Reads what `to_bytes` wrote; `BrokenError` if a single byte differs from that."""
        try:
            whole = json.loads(data)
            body = dict(whole["manifest"])
            if body.pop("format") != STORE_FORMAT:
                raise BrokenError("its manifest has another format")
            body["files"] = {name: (size, sha) for name, (size, sha) in body["files"].items()}
            manifest = cls(**body)
            intact = manifest.to_bytes() == data
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise BrokenError("its manifest is damaged") from error
        if not intact:
            raise BrokenError("its manifest is damaged")
        if manifest.key != key:
            raise BrokenError("its manifest belongs to another key")
        return manifest


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scan(folder: Path) -> dict[str, os.stat_result]:
    """All files below `folder` by relative POSIX path; `BrokenError` for links and devices."""
    found: dict[str, os.stat_result] = {}
    waiting = [(folder, "")]
    while waiting:
        here, prefix = waiting.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((Path(entry.path), f"{name}/"))
                elif entry.is_file(follow_symlinks=False):
                    found[name] = entry.stat(follow_symlinks=False)
                else:
                    raise BrokenError(f"{name!r} is neither a file nor a folder")
    return found


def check(folder: Path, manifest: Manifest, remembered: Marks | None = None) -> Marks:
    """Compares the files of an object with its manifest.

    Args:
        folder: the folder of the files.
        manifest: what it should hold.
        remembered: marks of big files; those that still have them are not hashed again.

    Returns:
        The marks of the big files that are known to be whole now.

    Raises:
        BrokenError: if a file is missing, added or changed.
    """
    found = scan(folder)
    if missing := manifest.files.keys() - found.keys():
        raise BrokenError(f"{min(missing)!r} is missing")
    if added := found.keys() - manifest.files.keys():
        raise BrokenError(f"{min(added)!r} does not belong to it")
    for name, (size, _) in manifest.files.items():
        if found[name].st_size != size:
            raise BrokenError(f"{name!r} has {found[name].st_size} bytes instead of {size}")
    marks: Marks = {}
    for name, (size, sha) in manifest.files.items():
        mark = _mark(found[name])
        if size > BIG_FILE and remembered and remembered.get(name) == [*mark, sha]:
            marks[name] = [*mark, sha]
            continue
        begun = time.time_ns()
        if hash_file(folder / name) != sha:
            raise BrokenError(f"the content of {name!r} has changed")
        if size > BIG_FILE and max(mark[1], mark[2]) < begun - _SETTLED_NS:
            marks[name] = [*mark, sha]
    return marks


def _mark(status: os.stat_result) -> list[Any]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def take_in(folder: Path, sync: Callable[[Path], None]) -> dict[str, tuple[int, str]]:
    """Hashes and syncs all that a build wrote; folders without files are removed.

    Raises:
        StoreError: if it wrote a link or a device, or nothing at all.
    """
    try:
        found = scan(folder)
    except BrokenError as error:
        raise StoreError(f"A build may hold only files and folders, but {error}.") from error
    if not found:
        raise StoreError("A build must write at least one file before it is committed.")
    files = {}
    for name in sorted(found):
        path = folder / name
        files[name] = (path.stat().st_size, hash_file(path))
        sync(path)
    for here, _, _ in os.walk(folder, topdown=False):
        if not os.listdir(here) and Path(here) != folder:
            os.rmdir(here)
        else:
            sync(Path(here))
    return files


def sync(path: Path) -> None:
    """Forces a file or a folder to the disk."""
    is_folder = stat.S_ISDIR(path.stat().st_mode)
    if is_folder and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if is_folder or os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
