"""`secateur cache`: what the store holds, whether it is whole, and what can go."""

from __future__ import annotations

import argparse
import datetime

from pydantic import ByteSize, TypeAdapter, ValidationError
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from secateur.flows.commands import FAILED, OK, refuse, say
from secateur.store import Entry, Store, StoreError, open_store


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "cache",
        help="list, verify and collect the stored results of stages",
        description="Works on the store that SECATEUR_STORE names (a folder or a URL).",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("ls", help="list the stored results")
    listing.add_argument("--stage", help="only those of this stage")
    verifying = actions.add_parser(
        "verify", help="compare every stored file with its digest; exit code 1 if one differs"
    )
    collecting = actions.add_parser(
        "gc",
        help="remove broken results and what killed runs left, and more by the limits given",
        description="Removes broken results and what killed runs left behind (checkpoints that "
        "a killed training could go on from: after a week); with limits also whole results. "
        "Never what a running flow uses.",
    )
    collecting.add_argument(
        "--older-than", metavar="AGE", help="also results unused for so long, such as 30d or PT12H"
    )
    collecting.add_argument(
        "--max-bytes",
        metavar="SIZE",
        help="also those unused for longest, until the rest fits into so much, such as 10GB",
    )
    collecting.add_argument(
        "--dry-run", action="store_true", help="only show what would be removed"
    )
    for action, function in ((listing, _list), (verifying, _verify), (collecting, _collect)):
        action.set_defaults(run=_run, work=function)


def _run(namespace: argparse.Namespace, console: Console) -> int:
    try:
        limits = _limits(namespace)
    except ValueError as error:
        return refuse(console, f"cache {namespace.action}", error)
    try:
        return namespace.work(open_store(), namespace, Console(soft_wrap=True), **limits)
    except StoreError as error:
        say(console, f"secateur cache {namespace.action}: {error}")
        return FAILED


def _limits(namespace: argparse.Namespace) -> dict:
    if namespace.action != "gc":
        return {}
    age, size = namespace.older_than, namespace.max_bytes
    limits: dict = {"older_than": None, "max_bytes": None}
    try:
        if age is not None:
            limits["older_than"] = TypeAdapter(datetime.timedelta).validate_python(age)
    except ValidationError as error:
        raise ValueError(
            f"--older-than is {age!r}; give an age such as 30d, 12:00:00 (hours) or PT12H."
        ) from error
    try:
        if size is not None:
            limits["max_bytes"] = int(TypeAdapter(ByteSize).validate_python(size))
    except ValidationError as error:
        raise ValueError(
            f"--max-bytes is {size!r}; give a size such as 500MB, 10GB or 2GiB."
        ) from error
    if limits["older_than"] is not None and limits["older_than"] < datetime.timedelta(0):
        raise ValueError(f"--older-than is {age!r}; an age is not negative.")
    return limits


def _list(store: Store, namespace: argparse.Namespace, out: Console) -> int:
    entries = [e for e in store.list() if namespace.stage in (None, e.stage)]
    entries.sort(key=lambda entry: entry.last_used, reverse=True)
    _table(entries, out)
    out.print(f"{_count(entries)}, {_size(entries)}, in {store.location}", highlight=False)
    return OK


def _verify(store: Store, namespace: argparse.Namespace, out: Console) -> int:
    found = store.verify()
    for key, why in found.broken.items():
        out.print(f"{key[:12]} is broken: {why}", highlight=False, markup=False)
    whole = found.checked - len(found.broken)
    out.print(
        f"{whole} of {found.checked} results are whole ({decimal(found.bytes)} read), "
        f"in {store.location}",
        highlight=False,
    )
    if found.broken:
        out.print("Broken ones count as missing, and are built again when a run needs them.")
    return FAILED if found.broken else OK


def _collect(store: Store, namespace: argparse.Namespace, out: Console, **limits) -> int:
    found = store.collect(dry_run=namespace.dry_run, **limits)
    _table(found.removed, out)
    for place in found.leftovers:
        out.print(f"left behind: {place}", highlight=False, markup=False)
    done = "Would remove" if found.dry_run else "Removed"
    held = f"; {found.pinned} more are in use by running flows" if found.pinned else ""
    out.print(
        f"{done} {_count(found.removed)} and {len(found.leftovers)} leftovers, "
        f"{decimal(found.freed)}; {decimal(found.remaining)} stay{held}.",
        highlight=False,
    )
    return OK


def _table(entries: list[Entry], out: Console) -> None:
    if not entries:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("key", "left"), ("stage", "left"), ("size", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("last used (UTC)", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for entry in entries:
        table.add_row(
            entry.key[:12],
            entry.stage,
            decimal(entry.bytes),
            f"{entry.last_used:%Y-%m-%d %H:%M:%S}",
            "whole" if entry.whole else "broken",
        )
    out.print(table)


def _count(entries: list[Entry]) -> str:
    return f"{len(entries)} result" + ("" if len(entries) == 1 else "s")


def _size(entries: list[Entry]) -> str:
    return decimal(sum(entry.bytes for entry in entries))
