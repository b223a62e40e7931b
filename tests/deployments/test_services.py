"""What compose.yaml starts, as plain processes: a sweep over two workers, one of them killed.

PostgreSQL, a Prefect server on it, an S3-compatible server that holds the store, two workers of
a process pool that share nothing else.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter

import psutil
import pytest

from tests.deployments.conftest import Api, free_port, process, until
from tests.deployments.pool import kill_machine, pool, worker
from tests.deployments.postgresql import HAS_POSTGRESQL, postgresql

pytest.importorskip("s3fs")
pytest.importorskip("moto")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_POSTGRESQL, reason="there is no PostgreSQL on this machine"),
]


@pytest.fixture(scope="module")
def bucket(home):
    """What a client of the S3-compatible server has in its environment."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    client = {
        "SECATEUR_STORE": "s3://secateur/store",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    make = "import s3fs; s3fs.S3FileSystem().makedirs('secateur', exist_ok=True)"
    with process(command, dict(os.environ), home / "moto.log"):
        environment = {**os.environ, **client}
        until(lambda: not subprocess.run([sys.executable, "-c", make], env=environment).returncode)
        yield client


@pytest.fixture(scope="module")
def cluster(home, environment, bucket):
    """The environment of a client of all services, with the deployments deployed."""
    with postgresql() as database, pool({**environment, **bucket}, home, database) as client:
        yield client


@contextlib.contextmanager
def _worker(name, home, cluster):
    """A worker that runs one flow at a time; its cache is its own, as on a machine of its own."""
    own = {**cluster, "XDG_CACHE_HOME": str(home / f"cache-{name}")}
    with worker(own, home / f"{name}.log", "--name", name, "--limit", "1") as running:
        yield running


def _worker_of(run_id, workers):
    """The worker whose process runs a flow run."""
    for running in workers:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(running.pid).children(recursive=True):
                if run_id in child.environ().values():
                    return running
    return None


def _running(api, stage):
    """A trial that is in this stage just now."""
    named = {"task_runs": {"name": {"any_": [stage]}, "state": {"type": {"any_": ["RUNNING"]}}}}
    found = api("/task_runs/filter", named)
    return found[0]["flow_run_id"] if found else None


def _built(api):
    """The keys of all results that were computed, once for each time."""
    keys = []
    for offset in itertools.count(0, 200):
        logs = api("/logs/filter", {"limit": 200, "offset": offset})
        for log in logs:
            keys += re.findall(r"^Built in .* stored \((\w+)\)", log["message"])
        if len(logs) < 200:
            return Counter(keys)


def _trials(api, state):
    named = {"flows": {"name": {"any_": ["trial"]}}}
    of_state = {"flow_runs": {"state": {"type": {"any_": [state]}}}}
    return api("/flow_runs/filter", {**named, **of_state})


def test_a_sweep_survives_the_loss_of_a_worker(home, cluster):
    api = Api(cluster["PREFECT_API_URL"])
    output = home / "sweep"
    command = [sys.executable, "-m", "secateur.flows.cli", "sweep", "--runner", "deployment"]
    command += ["--sweep.target.ratio", "0.5,0.7,0.9,0.95", "--importance.criterion", "magnitude"]
    command += ["--train.epochs", "2", "--fine_tune.epochs", "60", "--output", str(output)]
    with _worker("one", home, cluster) as one, _worker("two", home, cluster) as two:
        with process(command, cluster, home / "sweep.log") as sweep:
            # Half-way: some trial has been finished, another is being fine-tuned.
            until(lambda: any("ratio" in run["name"] for run in _trials(api, "COMPLETED")), 240)
            lost = until(lambda: _running(api, "fine_tune"))
            before = _built(api)
            victim = until(lambda: _worker_of(lost, (one, two)))
            kill_machine(victim.pid)
            assert api.state(lost) == "RUNNING"  # nobody could tell
            assert sweep.wait(timeout=400) == 0, (home / "sweep.log").read_text()
        assert victim.poll() is not None
        assert {one.poll(), two.poll()} != {None}

    report = json.loads((output / "sweep.json").read_text())
    assert [trial["status"] for trial in report["trials"]] == ["done"] * 4
    state = api.run(lost)["state"]
    assert state["type"] == "CRASHED"
    assert "No sign of life" in state["message"]
    names = Counter(run["name"] for run in _trials(api, "COMPLETED"))
    assert names[api.run(lost)["name"]] == 1  # it was started again, and ended
    assert len(_trials(api, "CRASHED")) == 1  # the other worker ran what came after
    after = _built(api)
    assert before
    assert set(after.values()) == {1}, after  # nothing was computed twice
