"""Listing, verifying and collecting a store in a folder."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from secateur.store import locks, manifest, pins
from secateur.store.errors import from_os_error
from secateur.store.housekeeping import (
    PARTIAL_LIMIT,
    CollectReport,
    Entry,
    VerifyReport,
    as_seconds,
    choose,
)
from secateur.store.manifest import BrokenError, Manifest

if TYPE_CHECKING:
    from secateur.store.local import LocalStore


def utc(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def keys(store: LocalStore) -> Iterator[str]:
    """Keys of all objects, whole or not, sorted."""
    try:
        for group in _listed(store.root / "objects"):
            yield from (folder.name for folder in _listed(group))
    except OSError as error:
        raise from_os_error(error, "read", store.root) from error


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def entry(store: LocalStore, key: str) -> Entry | None:
    """What is known of an object without reading its files; None if it is gone."""
    folder = store.object_folder(key)
    try:
        path = folder / manifest.NAME
        found = Manifest.from_bytes(path.read_bytes(), key)
        used = path.stat().st_mtime
        sizes = {n: s.st_size for n, s in manifest.scan(folder / manifest.FILES).items()}
        whole = sizes == {name: size for name, (size, _) in found.files.items()}
    except (OSError, BrokenError):
        try:
            changed = folder.stat().st_mtime
        except OSError:
            return None
        return Entry(key, "", size_of(folder), None, utc(changed), False)
    return Entry(key, found.stage, found.size, utc(found.created), utc(used), whole, found.digest)


def size_of(path: Path) -> int:
    """Bytes of a file or of all files below a folder, as far as they can be seen."""
    if not path.is_dir():
        with contextlib.suppress(OSError):
            return path.lstat().st_size
        return 0
    total = 0
    for here, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(here, name)).st_size
    return total


def verify(store: LocalStore) -> VerifyReport:
    report = VerifyReport()
    for key in keys(store):
        try:
            found = store.read(key, hash_all=True)
        except BrokenError as error:
            report.broken[key] = str(error)
        except OSError as error:
            raise from_os_error(error, "read", store.object_folder(key)) from error
        else:
            if found is None:  # collected meanwhile
                continue
            report.bytes += found.size
        report.checked += 1
    return report


def collect(
    store: LocalStore,
    older_than: float | datetime.timedelta | None,
    max_bytes: int | None,
    keep: Iterable[str],
    dry_run: bool,
    partials_older_than: float | datetime.timedelta = PARTIAL_LIMIT,
) -> CollectReport:
    report = CollectReport(dry_run=dry_run)
    age = as_seconds(older_than, "older_than")
    partial_age = as_seconds(partials_older_than, "partials_older_than") or 0.0
    kept = frozenset(keep)
    entries = [found for key in keys(store) if (found := entry(store, key)) is not None]
    if not store.root.is_dir():
        choose(entries, 0.0, age, max_bytes, kept)  # bad values are refused all the same
        return report
    try:
        with pins.exclusive(store.root):
            held = pins.held(store.root)
        chosen, report.pinned, report.remaining = choose(
            entries, time.time(), age, max_bytes, held | kept
        )
        for item in chosen:
            if dry_run or _remove(store, item.key):
                report.removed.append(item)
                report.freed += item.bytes
            else:
                report.pinned += 1
                report.remaining += item.bytes
        _collect_leftovers(store, partial_age, report)
    except OSError as error:
        raise from_os_error(error, "collect", store.root) from error
    return report


def _remove(store: LocalStore, key: str) -> bool:
    """Removes an object unless it is being built or was pinned meanwhile."""
    with locks.hold_if_free(store.lock_file(key)) as free:
        if not free:
            return False
        doomed = store.temporary(key)
        with pins.exclusive(store.root):
            if key in pins.held(store.root):
                return False
            with contextlib.suppress(FileNotFoundError):
                store.object_folder(key).rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        store.verified_file(key).unlink(missing_ok=True)
    return True


def _collect_leftovers(store: LocalStore, partial_age: float, report: CollectReport) -> None:
    def take(path: Path) -> None:
        if not os.path.lexists(path):  # its build ended between the listing and the lock
            return
        report.leftovers.append(str(path))
        report.freed += size_of(path)
        if not report.dry_run:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    for path in _listed(store.root / "tmp"):
        with locks.hold_if_free(store.lock_file(path.name.partition(".")[0])) as free:
            if free:
                take(path)
    for path in _listed(store.root / "partial"):
        with locks.hold_if_free(store.lock_file(path.name)) as free:
            if free and (
                store.object_folder(path.name).exists() or time.time() - _newest(path) > partial_age
            ):
                take(path)
    if report.dry_run:
        return
    for path in _listed(store.root / "locks"):
        key = path.stem
        with locks.hold_if_free(path) as free:
            # Who waits for a lock file that goes takes a fresh one (filelock sees to that).
            if free and not any(
                folder.exists() for folder in (store.object_folder(key), store.partial_folder(key))
            ):
                path.unlink(missing_ok=True)


def _newest(folder: Path) -> float:
    """The last change below a folder."""
    paths = [os.fspath(folder)]
    for here, folders, names in os.walk(folder):
        paths.extend(os.path.join(here, name) for name in (*folders, *names))
    times = [0.0]
    for path in paths:
        with contextlib.suppress(OSError):
            times.append(os.lstat(path).st_mtime)
    return max(times)
