"""Ways to run the flow `prune` quickly: in this process, or as the command."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys

import pytest
from rich.console import Console

QUICK = {
    "train": {"epochs": 2},
    "fine_tune": {"epochs": 1},
    "importance": {"criterion": "magnitude"},
    "target": {"ratio": 0.9},
    "seed": 1,
}


def check_names(folder, command, formats=(), quantize=None):
    """What a run wrote has the names that are looked for before any work."""
    from secateur.output import names_of

    there = {path.name for path in folder.iterdir()} - {".secateur.json", "study.log"}
    assert there <= set(names_of(command, formats, quantize))
    assert there


@pytest.fixture
def quick(tmp_path, prefect_server):
    """Calls the flow with few epochs; its output goes to a folder of the test's own."""
    from secateur.flows.prune import prune

    def run(**changes):
        return prune(**{**QUICK, "output": tmp_path / "out", **changes})

    return run


@pytest.fixture(scope="session")
def _ran(tmp_path_factory, prefect_server):
    """The store after one call of the flow, and its report."""
    from secateur.flows.prune import prune

    folder = tmp_path_factory.mktemp("ran")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECATEUR_STORE", str(folder / "store"))
        return folder / "store", prune(**QUICK, output=folder / "out")


@pytest.fixture
def ran(_ran, tmp_path):
    """The report of a call of `quick`; its results are in the test's store."""
    store, report = _ran
    shutil.copytree(store, tmp_path / "store")
    return report


@pytest.fixture(scope="module")
def _store_of_module(_ran, tmp_path_factory):
    return shutil.copytree(_ran[0], tmp_path_factory.mktemp("module") / "store")


@pytest.fixture
def shared_store(_store_of_module, monkeypatch):
    """One store for all tests of a module; results of `quick` are in it."""
    monkeypatch.setenv("SECATEUR_STORE", str(_store_of_module))


@pytest.fixture
def command(tmp_path):
    """Starts `secateur prune` in a process, with a Prefect data base of the test's own."""
    module = [sys.executable, "-m", "secateur.flows.prune"]

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


@pytest.fixture
def ask(monkeypatch):
    """Has a person answer; gives what they were shown."""
    import secateur.tasks.approval
    from secateur.flows.terminal import Terminal

    shown = []

    def answer(text):
        console = Console(file=io.StringIO(), width=100)
        monkeypatch.setattr(console, "input", lambda *_, **__: text)
        terminal = Terminal(console)

        def asked(figures):
            agreed = terminal.ask(figures)
            shown.append(console.file.getvalue())
            return agreed

        monkeypatch.setattr(secateur.tasks.approval, "askers", [asked])
        return shown

    return answer
