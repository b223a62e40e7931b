"""Output folders of versions that wrote no manifest, told by their reports."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from secateur.output.manifest import Files, Manifest, digest
from secateur.output.names import names_of


class _Report(NamedTuple):
    """The report of a command: its file, what it holds, and folders and files beside it."""

    file: str
    holds: frozenset[str]
    folders: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


_REPORTS = {
    "prune": _Report(
        "report.json",
        frozenset({"parameters", "dense", "pruned", "fine_tuned", "stages"}),
        ("tensorboard/*/*/events.out.tfevents.*",),
        ("vectorizer.keras",),
    ),
    "sweep": _Report("sweep.json", frozenset({"axes", "trials", "variants", "fronts"})),
    "search": _Report("search.json", frozenset({"parameters", "budget", "steps", "winner"})),
    "sensitivity": _Report("sensitivity.json", frozenset({"pattern", "accuracy", "curves"})),
    "compress": _Report("compress.json", frozenset({"parameters", "steps", "stages"})),
    "transfer": _Report(
        "transfer.json", frozenset({"parameters", "source", "models", "histories"})
    ),
}

_LATER = {"data.html", "encoder.json", "vectorizer.keras"}
"""Results that these versions did not write yet, the last one but for `prune`."""

_SAVED_MODEL = ("saved_model.pb", "fingerprint.pb", "variables/*", "assets/*")


def recognised(folder: Path) -> Manifest:
    """What runs of such a version left in a folder.

    A run wrote its report after all else, so what was written later than the report is not its own.
    """
    runs: dict[str, Files] = {}
    for command, report in _REPORTS.items():
        told = _read(folder / report.file, report)
        if told is not None:
            known = {path for files in runs.values() for path in files}
            found = _files(folder, command, report, told)
            runs[command] = {path: sha for path, sha in found.items() if path not in known}
    return Manifest(runs=runs)


def _read(path: Path, report: _Report) -> Any:
    """The content of a report; None if there is none, or it is no report of ours."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    first = content[0] if isinstance(content, list) and content else content
    return content if isinstance(first, dict) and report.holds <= first.keys() else None


def _files(folder: Path, command: str, report: _Report, told: Any) -> Files:
    written = (folder / report.file).lstat().st_mtime_ns
    sizes = dict(_sizes(told))
    found: Files = {}
    names = set(names_of(command)) - _LATER
    for name in sorted({*names, *_named(folder, report, told), *report.beside}):
        path = folder / name
        if any(above.is_symlink() for above in _between(folder, path)):
            continue
        sha = digest(path)
        if sha is None or path.lstat().st_mtime_ns > written:
            continue
        if sizes.get(name, path.lstat().st_size) == path.lstat().st_size:
            found[name] = sha
    return found


def _named(folder: Path, report: _Report, told: Any) -> Iterator[str]:
    """The files that a report names, and those in folders that it does."""
    patterns = list(report.folders)
    if isinstance(told, dict):
        for variant in _listed(told.get("variants")):
            yield from _path(variant.get("model"))
        for export in _listed(told.get("exports")):
            for name in _path(export.get("file")):
                yield name
                patterns += [f"{name}/{inside}" for inside in _SAVED_MODEL]
    for pattern in patterns:
        for path in folder.glob(pattern):
            yield path.relative_to(folder).as_posix()


def _sizes(told: Any) -> Iterator[tuple[str, int]]:
    for export in _listed(told.get("exports")) if isinstance(told, dict) else []:
        size = export.get("bytes")
        if isinstance(size, dict) and isinstance(size.get("raw"), int):
            for name in _path(export.get("file")):
                if name != "saved_model":
                    yield name, size["raw"]


def _listed(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _path(value: Any) -> list[str]:
    """A path in the folder; nothing of what is none, or leads out of it."""
    if not isinstance(value, str) or value.startswith("/"):
        return []
    parts = value.split("/")
    return [] if {"", ".", ".."} & set(parts) or {"\\", ":", "\0", "*"} & set(value) else [value]


def _between(folder: Path, path: Path) -> list[Path]:
    """The folders that lead from a folder to a path in it."""
    return [each for each in path.parents if each != folder and each.is_relative_to(folder)]
