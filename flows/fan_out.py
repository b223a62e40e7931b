"""Trials as runs of a deployment, on whatever work pool it belongs to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from uuid import UUID, uuid4

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from secateur.flows.trials import Job, Result
from secateur.tasks.connection import insist

_POLL = 1.0  # seconds
_TRIES = 3
"""How often a trial is started whose process was lost."""


def run_as_deployments(
    deployment: str, jobs: Sequence[Job], advance: Callable[[Job, Result], None]
) -> list[Result]:
    """Starts a run of the deployment for each job and waits for all.

    A run that crashed (its worker was lost) is started again; what it had finished is in the store.

    Raises:
        ValueError: One sentence: there is no such deployment.
        RuntimeError: One sentence: the server has been gone for long.
    """
    waiting = {_start(deployment, job).id: (place, 1) for place, job in enumerate(jobs)}
    results = [Result()] * len(jobs)
    while waiting:
        time.sleep(_POLL)
        for run in insist(lambda: _ended(list(waiting))):
            place, tries = waiting.pop(run.id)
            job, state = jobs[place], run.state
            assert state is not None
            if state.is_crashed() and tries < _TRIES:
                waiting[_start(deployment, job).id] = (place, tries + 1)
                continue
            if not state.is_completed():
                why = (state.message or state.name or "").strip().splitlines()
                results[place] = Result(why[0] if why else "failed", crashed=state.is_crashed())
            advance(job, results[place])
    return results


def _start(deployment: str, job: Job) -> FlowRun:
    key = str(uuid4())  # one run, however often it is asked for
    try:
        run = insist(
            lambda: run_deployment(
                deployment,
                parameters=job._asdict(),
                timeout=0,
                flow_run_name=job.name,
                idempotency_key=key,
            )
        )
    except ObjectNotFound as error:
        raise ValueError(
            f"deployment is {deployment!r}, which the server does not have; deploy it with "
            "`prefect deploy`, or run `secateur serve`."
        ) from error
    assert isinstance(run, FlowRun)
    return run


def _ended(runs: list[UUID]) -> list[FlowRun]:
    """Those of the runs that are over."""
    ended = []
    with get_client(sync_client=True) as client:
        for start in range(0, len(runs), 200):
            part = FlowRunFilter(id=FlowRunFilterId(any_=runs[start : start + 200]))
            found = client.read_flow_runs(flow_run_filter=part, limit=200)
            ended += [run for run in found if run.state and run.state.is_final()]
    return ended
