"""Tags by which a list of runs can be read."""

from __future__ import annotations

from uuid import UUID

from prefect import get_client
from prefect.runtime import flow_run

from secateur.tasks.connection import shown_only


def tag_flow_run(*tags: str) -> None:
    """Tags the flow run alone: for each tag of a task, Prefect asks for a concurrency limit."""
    run_id = flow_run.get_id()
    if run_id:
        with shown_only(), get_client(sync_client=True) as client:
            client.update_flow_run(UUID(run_id), tags={*flow_run.get_tags(), *tags})
