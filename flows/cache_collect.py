"""The flow `cache-collect`: removes what the store no longer needs."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import ByteSize, Field

from secateur.tasks.collect import collect


def _run_name() -> str:
    limits = {k: v for k, v in flow_run.parameters.items() if v is not None and k != "dry_run"}
    words = [f"{name}={value}" for name, value in limits.items()]
    dry = ["dry-run"] if flow_run.parameters.get("dry_run") else []
    return "-".join(["cache-collect", *words, *dry])


@flow(name="cache-collect", flow_run_name=_run_name)
def cache_collect(
    older_than_days: Annotated[float, Field(ge=0, le=36_500)] | None = None,
    max_bytes: ByteSize | None = None,
    dry_run: bool = False,
) -> None:
    """Removes broken results and what killed runs left behind, and by limits whole results.

    What a running flow uses stays.

    Args:
        older_than_days: Also results that were not used for so many days, at least 0. Empty:
            no limit.
        max_bytes: Also those unused for longest, until the rest fits into so much, such as 10GB.
            Empty: no limit.
        dry_run: Only show what would be removed.
    """
    collect(older_than_days=older_than_days, max_bytes=max_bytes, dry_run=dry_run)
