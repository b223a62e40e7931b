"""Every deployment and every schedule of prefect.yaml against its flow; no server needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from secateur.flows.compress_parameters import CompressParameters
from secateur.flows.parameters import PruneParameters
from secateur.flows.search_parameters import SearchParameters
from secateur.flows.serving.definitions import FILE, read_definitions, to_deployments
from secateur.flows.sweep_parameters import SweepParameters

BY_NAME = {definition["name"]: definition for definition in read_definitions()}


def _runs():
    """What each deployment, and each of its schedules, runs with."""
    for definition in BY_NAME.values():
        own = definition.get("parameters", {})
        if definition["name"] != "trial":  # sweeps give its parameters
            yield pytest.param(definition, own, id=definition["name"])
        for schedule in definition.get("schedules", []):
            both = {**own, **schedule["parameters"]}
            yield pytest.param(definition, both, id=f"{definition['name']}-{schedule['slug']}")


def _refused(definition, parameters):
    """Whether Prefect's API refuses the parameters, and whether the flow itself does."""
    flow = load_flow_from_entrypoint(definition["entrypoint"], use_placeholder_flow=False)
    schema = parameter_schema(flow).model_dump(exclude_unset=True)
    try:
        flow.validate_parameters(parameters)
    except Exception:
        return bool(validate(parameters, schema)), True
    return bool(validate(parameters, schema)), False


@pytest.mark.parametrize(("definition", "parameters"), _runs())
def test_parameters_fit_the_flow(definition, parameters):
    assert _refused(definition, parameters) == (False, False)
    if definition["name"] == "prune":
        PruneParameters.model_validate(parameters).check()
    if definition["name"] == "search":
        SearchParameters.model_validate(parameters).check()
    if definition["name"] == "compress":
        CompressParameters.model_validate(parameters).check()
    if definition["name"].startswith("sweep"):
        assert len(SweepParameters.model_validate(parameters).check().trials) > 1


@pytest.mark.parametrize(("definition", "parameters"), _runs())
def test_misspelled_keys_are_refused(definition, parameters):
    assert _refused(definition, {**parameters, "misspelled": 1})[1]
    for name, group in parameters.items():
        if isinstance(group, dict):
            wrong = {**parameters, name: {**group, "misspelled": 1}}
            assert _refused(definition, wrong) == (True, True), name


def test_every_deployment_has_a_schedule_that_is_off():
    assert set(BY_NAME) == {
        "prune",
        "sweep-ratios",
        "sweep-thresholds",
        "search",
        "compress",
        "transfer",
        "trial",
        "cache-collect",
    }
    for name, definition in BY_NAME.items():
        schedules = definition.get("schedules", [])
        assert bool(schedules) == (name != "trial")
        slugs = [schedule["slug"] for schedule in schedules]
        assert len(set(slugs)) == len(slugs)
        assert all(schedule["active"] is False for schedule in schedules)
        assert all(schedule["parameters"] for schedule in schedules)


def test_a_served_deployment_is_that_of_the_file():
    served = {deployment.name: deployment for deployment in to_deployments(read_definitions())}
    assert set(served) == set(BY_NAME)
    for name, deployment in served.items():
        definition = BY_NAME[name]
        assert deployment.entrypoint == definition["entrypoint"]
        assert deployment.parameters == definition.get("parameters", {})
        assert deployment.enforce_parameter_schema
        limit = definition.get("concurrency_limit")
        assert deployment.concurrency_limit == (limit and limit["limit"])
        if limit:
            strategy = deployment.concurrency_options.collision_strategy
            assert strategy.value == limit["collision_strategy"]
        for schedule, wanted in zip(
            deployment.schedules, definition.get("schedules", []), strict=True
        ):
            assert schedule.schedule.cron == wanted["cron"]
            assert (schedule.active, schedule.slug) == (False, wanted["slug"])
            assert schedule.parameters == wanted["parameters"]


def test_nothing_of_the_deployers_machine_is_in_the_file():
    content = yaml.safe_load(FILE.read_text())
    assert content["pull"] == []  # else the deployer's folder is baked in
    for definition in BY_NAME.values():
        for schedule in [definition, *definition.get("schedules", [])]:
            output = schedule.get("parameters", {}).get("output")
            assert output is None or output.startswith("~/")  # a worker's own folder is temporary


def test_entry_points_import_without_tensorflow():
    points = sorted({definition["entrypoint"] for definition in BY_NAME.values()})
    code = (
        "import sys\n"
        "from prefect.flows import load_flow_from_entrypoint\n"
        f"for point in {points}:\n"
        "    load_flow_from_entrypoint(point, use_placeholder_flow=False)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
