"""The deployments of `prefect.yaml`, as Prefect's objects."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.flows import load_flow_from_entrypoint
from prefect.schedules import Schedule

FILE = Path(__file__).resolve().parents[2] / "deployments" / "prefect.yaml"
"""In a checkout and in an installation: beside `flows`."""


def read_definitions(file: Path = FILE) -> list[dict[str, Any]]:
    """The deployments of the file as plain values, each its own."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return copy.deepcopy(content["deployments"])


def to_deployments(definitions: list[dict[str, Any]]) -> list[RunnerDeployment]:
    """The same, for a process that serves them: work pools have no part in it."""
    return [_to_deployment(definition) for definition in definitions]


def _to_deployment(definition: dict[str, Any]) -> RunnerDeployment:
    limit = definition.get("concurrency_limit")
    return RunnerDeployment.from_flow(
        load_flow_from_entrypoint(definition["entrypoint"], use_placeholder_flow=False),
        name=definition["name"],
        description=definition.get("description"),
        tags=definition.get("tags"),
        parameters=definition.get("parameters"),
        schedules=[Schedule(**schedule) for schedule in definition.get("schedules", [])],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if limit else None,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
