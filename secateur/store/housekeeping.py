"""What listing, verifying and collecting report, and how collecting chooses."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field

PARTIAL_LIMIT = 7 * 86400.0
"""Seconds after which what a dead build kept for its next try is collected."""


@dataclass(frozen=True)
class Entry:
    """One object of a store.

    Attributes:
        key: its key.
        stage: the stage that built it ("" if its manifest cannot be read).
        bytes: size of its files.
        created: when it was built (UTC; None if its manifest cannot be read).
        last_used: when it was last handed out (UTC).
        whole: False if its manifest is damaged or its files differ in name or size; their
            content is compared by `verify` alone.
        digest: digest of its content.
    """

    key: str
    stage: str
    bytes: int
    created: datetime.datetime | None
    last_used: datetime.datetime
    whole: bool
    digest: str = ""


@dataclass
class VerifyReport:
    """What `Store.verify` found: objects and bytes compared, and what is wrong by key."""

    checked: int = 0
    bytes: int = 0
    broken: dict[str, str] = field(default_factory=dict)


@dataclass
class CollectReport:
    """What `Store.collect` took (or would take, in a dry run).

    Attributes:
        removed: the objects.
        leftovers: places of what dead builds left behind.
        freed: bytes of both.
        pinned: objects left because a running flow holds them.
        remaining: bytes of the objects that stay.
        dry_run: True if nothing was really removed.
    """

    removed: list[Entry] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    freed: int = 0
    pinned: int = 0
    remaining: int = 0
    dry_run: bool = False


def as_seconds(age: float | datetime.timedelta | None, name: str) -> float | None:
    """An age in seconds; a `ValueError` if it is negative."""
    seconds = age.total_seconds() if isinstance(age, datetime.timedelta) else age
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"{name} is {age}, but must not be negative.")
    return seconds


def choose(
    entries: Iterable[Entry],
    now: float,
    older_than: float | None,
    max_bytes: int | None,
    held: frozenset[str],
) -> tuple[list[Entry], int, int]:
    """Which entries go: the broken, those unused for `older_than` seconds, and then those unused
    for longest until the rest fits into `max_bytes`. Those in `held` stay and count.

    Returns:
        The entries to remove, the number held back by `held`, and the bytes that stay.
    """
    if max_bytes is not None and not max_bytes >= 0:
        raise ValueError(f"max_bytes is {max_bytes}, but must not be negative.")
    ordered = sorted(entries, key=lambda entry: (entry.last_used, entry.key))
    total = sum(entry.bytes for entry in ordered)
    chosen, held_back = [], 0
    for entry in ordered:
        old = older_than is not None and now - entry.last_used.timestamp() > older_than
        over = max_bytes is not None and total > max_bytes
        if not (old or over or not entry.whole):
            continue
        if entry.key in held:
            held_back += 1
            continue
        chosen.append(entry)
        total -= entry.bytes
    return chosen, held_back, total
