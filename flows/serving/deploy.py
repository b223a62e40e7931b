"""All deployments to their work pool, by `prefect deploy`; what an operator switched stays so."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from secateur.flows.serving.definitions import FILE, read_definitions

_COMMAND = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]


def deploy() -> list[str]:
    """Deploys what `prefect.yaml` has, new or in the place of what an older version deployed.

    `prefect deploy` alone sets every schedule as the file says, which is off: one that somebody
    has switched on in the UI would make no runs any more, and nobody be told.

    Returns:
        The names of the deployments.

    Raises:
        ValueError: One sentence: the server lacks a work pool of the file.
        RuntimeError: What `prefect deploy` said, where it failed.
    """
    definitions = read_definitions()
    names = [definition["name"] for definition in definitions]
    with get_client(sync_client=True) as client:
        for pool in sorted({definition["work_pool"]["name"] for definition in definitions}):
            _check_pool(client, pool)
        with _kept_switches(client, names):
            done = subprocess.run(
                [*_COMMAND, "--prefect-file", str(FILE)], capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(f"prefect deploy failed: {done.stdout}{done.stderr}".strip())
    return names


def _check_pool(client: SyncPrefectClient, pool: str) -> None:
    try:
        client.read_work_pool(pool)
    except ObjectNotFound as error:
        raise ValueError(
            f"The server has no work pool {pool!r}, which {FILE} names; create it: prefect "
            f"work-pool create {pool} --type process (or docker, kubernetes …)."
        ) from error


@contextlib.contextmanager
def _kept_switches(client: SyncPrefectClient, names: list[str]) -> Iterator[None]:
    """After the block, schedules that were on are on, and deployments that were paused paused."""
    named = DeploymentFilter(name=DeploymentFilterName(any_=names))
    before = client.read_deployments(deployment_filter=named)
    try:
        yield
    finally:
        for there in before:
            _switch_back(client, there)


def _switch_back(client: SyncPrefectClient, before: DeploymentResponse) -> None:
    now = client.read_deployment(before.id)
    if before.paused and not now.paused:
        client.pause_deployment(now.id)
    on = {schedule.slug for schedule in before.schedules if schedule.active and schedule.slug}
    for schedule in now.schedules:
        if schedule.slug in on and not schedule.active:
            client.update_deployment_schedule(now.id, schedule.id, active=True)
