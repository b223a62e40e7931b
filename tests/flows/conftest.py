"""Ways to run the flow `prune` quickly: in this process, or as the command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.fixture
def quick(tmp_path, prefect_server):
    """Calls the flow with few epochs; its output goes to a folder of the test's own."""
    from flows.prune import prune

    def run(**changes):
        groups = {
            "train": {"epochs": 2},
            "fine_tune": {"epochs": 1},
            "importance": {"criterion": "magnitude"},
            "target": {"ratio": 0.9},
            "seed": 1,
            "output": tmp_path / "out",
        }
        return prune(**{**groups, **changes})

    return run


@pytest.fixture(scope="module")
def _folder_of_module(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def shared_store(_folder_of_module, monkeypatch):
    """One store for all tests of a module, so that their dense model is trained once."""
    monkeypatch.setenv("SECATEUR_STORE", str(_folder_of_module))


@pytest.fixture
def command(tmp_path):
    """Starts `secateur prune` in a process, with a Prefect data base of the test's own."""
    module = [sys.executable, "-m", "flows.prune"]

    def start(*arguments, cwd=None, script=module, **environment):
        own = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect"), **environment}
        own.pop("PREFECT_API_URL", None)
        return subprocess.Popen(
            [*script, *arguments],
            env=own,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start
