"""Collecting the store, and showing in the Prefect UI what went."""

from __future__ import annotations

import datetime

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from rich.filesize import decimal

from secateur.store import CollectReport, open_store
from secateur.tasks.stage import can_pass

_SHOWN = 200
"""Rows of the table in the UI at most."""


@task(
    name="collect",
    task_run_name="collect",
    cache_policy=NO_CACHE,
    retries=2,
    retry_condition_fn=can_pass,
)
def collect(older_than_days: float | None, max_bytes: int | None, dry_run: bool) -> CollectReport:
    """Removes what the limits say, and lists it in a Markdown artifact.

    Args:
        older_than_days: Results that were not used for so many days go.
        max_bytes: Those unused for longest go, until the rest fits into so many bytes.
        dry_run: Remove nothing.
    """
    store = open_store()
    age = None if older_than_days is None else datetime.timedelta(days=older_than_days)
    found = store.collect(
        older_than=age, max_bytes=None if max_bytes is None else int(max_bytes), dry_run=dry_run
    )
    get_run_logger().info(summary(found))
    create_markdown_artifact(
        to_markdown(found, store.location), key="collected", description=summary(found)
    )
    return found


def summary(found: CollectReport) -> str:
    """One sentence: how much went, and how much stays."""
    done = "Would remove" if found.dry_run else "Removed"
    held = f"; {found.pinned} more are in use by running flows" if found.pinned else ""
    return (
        f"{done} {len(found.removed)} results and {len(found.leftovers)} leftovers, "
        f"{decimal(found.freed)}; {decimal(found.remaining)} stay{held}."
    )


def to_markdown(found: CollectReport, location: str) -> str:
    """The same with a table of the results, largest first."""
    lines = ["# Cache", "", summary(found), "", f"Store: `{location}`", ""]
    if found.removed:
        lines += ["| stage | key | size | last used (UTC) | state |", "|---|---|--:|---|---|"]
    largest = sorted(found.removed, key=lambda entry: entry.bytes, reverse=True)
    for entry in largest[:_SHOWN]:
        lines.append(
            f"| {entry.stage} | `{entry.key[:12]}` | {decimal(entry.bytes)} "
            f"| {entry.last_used:%Y-%m-%d %H:%M} | {'whole' if entry.whole else 'broken'} |"
        )
    if len(largest) > _SHOWN:
        lines += ["", f"… and {len(largest) - _SHOWN} smaller ones."]
    if found.leftovers:
        lines += ["", "Left behind by killed runs:", "", *(f"- `{p}`" for p in found.leftovers)]
    return "\n".join(lines) + "\n"
