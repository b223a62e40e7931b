"""The package as installed: nothing beside `secateur` on top, one name a module, equal keys."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("secateur", "flows", "tasks", "deployments")

KEYS = """
import importlib, json, sys
import secateur.tasks
from secateur.datasets.config import DatasetConfig
from secateur.models.config import ModelConfig
from secateur.store import Reference
from secateur.training.config import TrainConfig

given = {"load_data": {"dataset": DatasetConfig()}, "train": {
    "data": Reference(key="a" * 64, digest="b", uri="file:///c"),
    "model": ModelConfig(), "train": TrainConfig(), "seed": 1}}
keys = {}
for name, arguments in given.items():
    stage = getattr(importlib.import_module(f"secateur.tasks.{name}"), name)
    keys[name] = stage.key(**arguments)
from secateur.flows.serving.definitions import FILE, read_definitions
assert read_definitions()
print(json.dumps({"keys": keys, "file": str(FILE), "tasks": secateur.tasks.__file__}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what the wheel holds."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in SOURCES:  # a build leaves files where the sources are
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "-w", str(folder), str(source)], check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_installs_secateur_alone(installed):
    tops = {entry.name for entry in installed.iterdir() if entry.suffix != ".dist-info"}
    assert tops == {"secateur"}
    for name in SOURCES[1:]:
        ours = {
            file.relative_to(ROOT / name)
            for file in (ROOT / name).rglob("*")
            if file.suffix in {".py", ".yaml", ".json"} or file.name == "Dockerfile"
        }
        there = installed / "secateur" / name
        assert {file for file in ours if not (there / file).is_file()} == set()
    assert not list((installed / "secateur" / "deployments").rglob("*.py"))


def test_keys_are_those_of_the_checkout(installed):
    """A store is shared by machines that have a wheel and machines that have a checkout."""
    checkout, wheel = _keys(None), _keys(installed)
    assert Path(wheel["tasks"]).is_relative_to(installed)
    assert Path(wheel["file"]).is_relative_to(installed)
    assert Path(checkout["tasks"]).is_relative_to(ROOT / "tasks")
    assert wheel["keys"] == checkout["keys"]
    assert len(set(wheel["keys"].values())) == 2


def _keys(site):
    own = {**os.environ, **({"PYTHONPATH": str(site)} if site else {})}
    run = [sys.executable, "-P", "-c", KEYS]
    done = subprocess.run(run, env=own, cwd="/", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("package", [False, True])
def test_a_users_own_flows_and_tasks_work_beside_it(installed, tmp_path, package):
    for name, module in (("flows", "etl"), ("tasks", "load")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{module}.py").write_text("OWN = True\n")
        if package:
            (tmp_path / name / "__init__.py").touch()
    code = (
        "import flows.etl, tasks.load, secateur.flows.prune, secateur.tasks.train\n"
        "assert flows.etl.OWN and tasks.load.OWN\n"
        "print(secateur.flows.prune.__file__, secateur.tasks.train.__file__)"
    )
    own = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(installed)])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=own, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all(Path(file).is_relative_to(installed) for file in done.stdout.split())


def test_code_of_two_installations_is_not_mixed(installed, tmp_path):
    """A checkout's library in the current folder, and the flows of what is installed."""
    shutil.copytree(installed / "secateur", tmp_path / "secateur")
    for name in ("flows", "tasks"):
        shutil.rmtree(tmp_path / "secateur" / name)
    code = (
        "import secateur, sys\n"
        f"secateur.__path__.append({str(installed / 'secateur')!r})\n"
        "import secateur.flows"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ImportError")]
    assert str(tmp_path) in line
    assert str(installed) in line
    assert "belongs to another installation" in line


def test_no_module_is_imported_by_an_old_name():
    """Two names of one module would be two registries of the same stages."""
    old = []
    files = [
        file for name in (*SOURCES, "tests", "benchmarks") for file in (ROOT / name).rglob("*.py")
    ]
    assert len(files) > 400
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # What is patched, run or loaded by its dotted name.
                names = [node.value] if node.value.startswith(("flows.", "tasks.")) else []
            tops = ("flows", "tasks", "deployments")
            old += [f"{file}: {name}" for name in names if name.partition(".")[0] in tops]
    allowed = {f"{Path(__file__)}: flows.", f"{Path(__file__)}: tasks."}
    assert set(old) - allowed == set()
