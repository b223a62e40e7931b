"""Listing, verifying and collecting a store at a URL."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from secateur.store import lease, manifest, remote_pins
from secateur.store.bucket import Info
from secateur.store.housekeeping import CollectReport, Entry, VerifyReport, as_seconds, choose
from secateur.store.manifest import BrokenError, Manifest
from secateur.store.upkeep import utc

if TYPE_CHECKING:
    from secateur.store.remote import RemoteStore

ORPHAN_LIMIT = 86400.0
"""Seconds after which an upload that no manifest names is collected."""


def used_name(key: str) -> str:
    return f"used/{key[:2]}/{key}"


def _objects(store: RemoteStore) -> dict[str, dict[str, Info]]:
    """All objects by key: their files by path below the object."""
    found: dict[str, dict[str, Info]] = {}
    for name, info in store.bucket.find("objects").items():
        parts = name.split("/", 3)
        if len(parts) == 4:
            found.setdefault(parts[2], {})[parts[3]] = info
    return dict(sorted(found.items()))


def _manifests(store: RemoteStore, keys: Iterable[str]) -> Iterator[tuple[str, Manifest | None]]:
    names = {store.manifest_name(key): key for key in keys}
    for name, data in store.bucket.read_many(names):
        try:
            yield names[name], Manifest.from_bytes(data, names[name])
        except BrokenError:
            yield names[name], None


def entries(store: RemoteStore) -> Iterator[Entry]:
    for entry, _ in _entries(store):
        yield entry


def _entries(store: RemoteStore) -> list[tuple[Entry, dict[str, Info]]]:
    """Every object with a manifest, and its files."""
    objects = {key: files for key, files in _objects(store).items() if manifest.NAME in files}
    used = {n.rpartition("/")[2]: info.modified for n, info in store.bucket.find("used").items()}
    result = []
    for key, found in sorted(_manifests(store, objects), key=lambda pair: pair[0]):
        files = objects[key]
        written = files[manifest.NAME].modified
        last = utc(max(used.get(key, written), written))
        if found is None:
            size = sum(info.size for info in files.values())
            result.append((Entry(key, "", size, None, last, False), files))
            continue
        sizes = {f"{found.upload}/{name}": size for name, (size, _) in found.files.items()}
        whole = all(name in files and files[name].size == size for name, size in sizes.items())
        created = utc(found.created)
        entry = Entry(key, found.stage, found.size, created, last, whole, found.digest)
        result.append((entry, files))
    return result


def verify(store: RemoteStore) -> VerifyReport:
    report = VerifyReport()
    objects = [key for key, files in _objects(store).items() if manifest.NAME in files]
    for key, found in sorted(_manifests(store, objects), key=lambda pair: pair[0]):
        report.checked += 1
        try:
            if found is None:
                raise BrokenError("its manifest is damaged")
            for name, (_, sha) in found.files.items():
                try:
                    actual = store.bucket.hash(store.file_name(found, name))
                except FileNotFoundError as error:
                    raise BrokenError(f"{name!r} is missing") from error
                if actual != sha:
                    raise BrokenError(f"the content of {name!r} has changed")
            report.bytes += found.size
        except BrokenError as error:
            report.broken[key] = str(error)
    return report


def collect(
    store: RemoteStore,
    older_than: float | datetime.timedelta | None,
    max_bytes: int | None,
    keep: Iterable[str],
    dry_run: bool,
) -> CollectReport:
    report = CollectReport(dry_run=dry_run)
    age = as_seconds(older_than, "older_than")
    kept = frozenset(keep)
    choose((), 0.0, age, max_bytes, kept)  # bad values are refused before anything is read
    listed = _entries(store)
    files = {entry.key: names for entry, names in listed}
    held = remote_pins.held(store.bucket, store.limit, tidy=not dry_run)
    now = store.bucket.now()
    everything = [entry for entry, _ in listed]
    chosen, report.pinned, report.remaining = choose(everything, now, age, max_bytes, held | kept)
    for entry in chosen:
        if dry_run or _remove(store, entry.key, files[entry.key]):
            report.removed.append(entry)
            report.freed += entry.bytes
        else:
            report.pinned += 1
            report.remaining += entry.bytes
    _collect_orphans(store, now, report)
    # The copies on this machine follow the same limits, on top of what went above.
    local = store.local.collect(older_than, max_bytes, keep, dry_run)
    report.leftovers.extend(local.leftovers)
    report.leftovers.extend(str(store.local.object_folder(entry.key)) for entry in local.removed)
    return report


def _remove(store: RemoteStore, key: str, files: dict[str, Info]) -> bool:
    """Removes an object unless it is being built or was pinned meanwhile."""
    bucket, name = store.bucket, store.manifest_name(key)
    if lease.is_alive(bucket, f"leases/{key}.json", store.limit):
        return False
    data = bucket.read(name)
    if data is None:
        return True
    bucket.delete(name)
    # Whoever pinned it before reading that manifest shows now; who comes later sees none.
    if key in remote_pins.held(bucket, store.limit):
        bucket.create(name, data)
        return False
    folder = name.removesuffix(manifest.NAME)
    bucket.delete(*(folder + file for file in files if file != manifest.NAME), used_name(key))
    return True


def _collect_orphans(store: RemoteStore, now: float, report: CollectReport) -> None:
    """Uploads that no manifest names (of killed or slower workers), dead leases, old marks."""
    bucket = store.bucket
    objects = _objects(store)
    named: dict[str, str] = {}
    for key, found in _manifests(store, [k for k, f in objects.items() if manifest.NAME in f]):
        if found is not None:
            named[key] = found.upload
    for key, files in objects.items():
        uploads: dict[str, list[str]] = {}
        for name in files:
            if name != manifest.NAME and name.partition("/")[0] != named.get(key):
                uploads.setdefault(name.partition("/")[0], []).append(name)
        for upload, names in uploads.items():
            if now - max(files[name].modified for name in names) <= ORPHAN_LIMIT:
                continue
            report.leftovers.append(f"{store.uri(key)}/{upload}")
            report.freed += sum(files[name].size for name in names)
            if not report.dry_run:
                bucket.delete(*(f"objects/{key[:2]}/{key}/{name}" for name in names))
    if report.dry_run:
        return
    for folder, limit in (("leases", 10 * store.limit), ("clock", ORPHAN_LIMIT)):
        old = [n for n, info in bucket.find(folder).items() if now - info.modified > limit]
        with contextlib.suppress(FileNotFoundError):
            bucket.delete(*old)
