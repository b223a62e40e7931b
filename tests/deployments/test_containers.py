"""The container and cluster files against schemas and linters; no engine is needed."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from prefect.settings import Settings
from prefect.settings.legacy import _get_valid_setting_names
from prefect.utilities.schema_tools.validation import is_valid_schema, validate
from prefect.utilities.templating import apply_values, find_placeholders

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
TEMPLATE = json.loads((FOLDER / "kubernetes.json").read_text())
MODULES = {"prefect": "prefect", "secateur": "secateur.flows.cli"}
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def test_the_dockerfile_has_no_lint():
    found = subprocess.run(
        [shutil.which("hadolint") or "hadolint", FOLDER / "Dockerfile"],
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_holds_the_package_and_runs_as_nobody_special():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER secateur$", last, re.MULTILINE)
    assert "compileall" in DOCKERFILE
    sources = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in sources)
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    assert {"setup.py", "pyproject.toml", "secateur", "flows", "tasks", "deployments"} <= sources


def test_the_compose_file_fits_the_specification():
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    found = subprocess.run([*checker, FOLDER / "compose.yaml"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    names = set(COMPOSE["volumes"])
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= names
        assert ":" in service["image"] or "build" in service  # no `latest` of somebody else's
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


def test_every_setting_of_prefect_is_one():
    used = {name for service in SERVICES.values() for name in service.get("environment", {})}
    used |= set(re.findall(r"\b(PREFECT_\w+)=", DOCKERFILE))
    used = {name for name in used if name.startswith("PREFECT_")}
    assert len(used) >= 5
    assert used <= _get_valid_setting_names(Settings)


@pytest.mark.parametrize("service", ["server", "setup", "worker"])
def test_commands_of_the_services_exist(service):
    command = SERVICES[service]["command"]
    script = command[-1] if command[0] == "sh" else shlex.join(command)
    script = script.replace("\\\n", " ").replace("$$", "$")
    subprocess.run(["sh", "-n", "-c", script], check=True)
    ours = [line for line in map(shlex.split, script.splitlines()) if line[0] in MODULES]
    assert ours
    for program, *words in ours:
        words = [word for word in words if word != "--no-prompt"]
        verbs = list(itertools.takewhile(str.islower, words))[:2]  # names of pools come after them
        asked = [sys.executable, "-m", MODULES[program], *verbs, "--help"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=60)
        assert told.returncode == 0, told.stdout + told.stderr
        assert all(word in told.stdout for word in words if word.startswith("--"))


def test_the_kubernetes_template_is_whole():
    variables = TEMPLATE["variables"]
    is_valid_schema(variables)
    defaults = {
        name: value["default"]
        for name, value in variables["properties"].items()
        if "default" in value
    }
    assert validate(defaults, variables) == []
    used = {found.name for found in find_placeholders(TEMPLATE["job_configuration"])}
    assert used == set(variables["properties"])


def test_a_job_made_of_the_template_is_one_that_kubernetes_takes():
    properties = TEMPLATE["variables"]["properties"]
    values = {name: value["default"] for name, value in properties.items() if "default" in value}
    # What a worker adds.
    values |= {"name": "prune", "command": ["prefect", "flow-run", "execute"], "labels": {"a": "b"}}
    values["env"] = [{"name": "PREFECT_API_URL", "value": "http://server:4200/api"}]
    job = apply_values(TEMPLATE["job_configuration"]["job_manifest"], values)
    kubernetes_validate.validate(job, "1.31", strict=True)
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["containers"][0]["image"] == "secateur:latest"
    (mount,) = pod["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == SERVICES["worker"]["volumes"][0].partition(":")[2]
    assert job["spec"]["backoffLimit"] == 0  # a sweep starts lost trials again, nobody else does
