"""Servers, workers and `secateur serve` as processes, and what the API says of them."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import urllib3

SERVE = [sys.executable, "-m", "secateur.flows.cli", "serve"]
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


QUICK = {
    "dataset": {"name": "digits"},
    "train": {"epochs": 1},
    "fine_tune": {"epochs": 1},
    "importance": {"criterion": "magnitude"},
    "target": {"ratio": 0.8},
}
"""Parameters of the flow `prune`: seconds of work."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, seconds=120, every=0.2):
    """Waits until `condition()` is true, and gives what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(every)
    return found


def no_errors(log, but=None):
    """Fails if a Prefect server has written of an error: its services fail nowhere else.

    Args:
        log: The file.
        but: A pattern of entries, each with its traceback, that are known.
    """
    entries = re.split(r"^(?=[\d:.]+ \| [A-Z]+ +\| )", log.read_text(), flags=re.MULTILINE)
    assert any("| INFO " in entry for entry in entries)  # what its services say does arrive
    wrong = r"\| (ERROR|CRITICAL) +\||^Traceback|dead letter"
    found = [entry for entry in entries if re.search(wrong, entry, re.MULTILINE)]
    found = [entry for entry in found if not (but and re.search(but, entry))]
    assert not found, "\n".join(found)[:5000]


class Api:
    """The REST API of a Prefect server, in the words of the tests.

    503 says that the data base was busy (SQLite has one writer) and the request was rolled back:
    it is sent again, as Prefect's own client does. So is one whose connection was lost.
    """

    _AGAIN = urllib3.Retry(8, status_forcelist=[503], allowed_methods=None, backoff_factor=0.2)

    def __init__(self, url):
        self.url = url
        self._pool = urllib3.PoolManager(timeout=30, retries=self._AGAIN)

    def __call__(self, path, body=None, method=None):
        method = method or ("GET" if body is None else "POST")
        more = {"json": body or {}} if method != "GET" else {}
        answer = self._pool.request(method, f"{self.url}{path}", **more)
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data.decode()}")
        return json.loads(answer.data or "null")

    def healthy(self):
        """Whether it answers, this once."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return self._pool.request("GET", f"{self.url}/health", retries=False).status == 200
        return False

    def deployments(self):
        return {found["name"]: found for found in self("/deployments/filter", {})}

    def events(self, prefix):
        """Those of this kind, the latest first; the server writes them down with a delay."""
        return self("/events/filter", {"filter": {"event": {"prefix": [prefix]}}})["events"]

    def each_minute(self, deployment, parameters):
        """Switches the first schedule of a deployment on, as an operator does in the UI."""
        found = self.deployments()[deployment]
        schedule = found["schedules"][0]["id"]
        cron = {"cron": "* * * * *", "timezone": "UTC"}
        body = {"active": True, "schedule": cron, "parameters": parameters}
        self(f"/deployments/{found['id']}/schedules/{schedule}", body, "PATCH")

    def scheduled(self, deployment, *states):
        """The runs that the deployment's schedules made and that are in one of the states."""
        of = {"deployments": {"name": {"any_": [deployment]}}}
        which = {"state": {"name": {"any_": states}}}
        found = self("/flow_runs/filter", {**of, "flow_runs": which})
        return [run for run in found if run["auto_scheduled"]]

    def start(self, deployment, parameters):
        found = self.deployments()[deployment]["id"]
        # Sent twice, it still starts one run.
        body = {"parameters": parameters, "idempotency_key": str(uuid.uuid4())}
        return self(f"/deployments/{found}/create_flow_run", body)["id"]

    def run(self, run_id):
        return self(f"/flow_runs/{run_id}")

    def state(self, run_id):
        return self.run(run_id)["state"]["type"]

    def end(self, run_id, seconds=180):
        """The run, when it is over."""
        until(lambda: self.state(run_id) in FINAL, seconds)
        return self.run(run_id)


@contextlib.contextmanager
def process(command, environment, log, cwd=None):
    """A process in a group of its own, as under a terminal; the whole group ends with the block."""
    with open(log, "ab") as output:
        started = subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # What runs in the background, such as a build, starts its processes deaf to Ctrl-C.
            preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGTERM)
        try:
            started.wait(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder that runs, servers and stores of a module share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment(home):
    """The environment of somebody who has just logged in there."""
    own = {
        **os.environ,
        "HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "SECATEUR_STORE": str(home / "store"),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_SERVER_LOGGING_LEVEL": "INFO",
    }
    # The last one is what our command sets for itself, also where a test of this process called it.
    quiet = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
    for name in ("PREFECT_API_URL", "PREFECT_SERVER_API_PORT", "PREFECT_PROFILES_PATH", quiet):
        own.pop(name, None)
    return own


@pytest.fixture(scope="module")
def served(home, environment):
    """The API of a server that `secateur serve` has started for the module."""
    log, port = home / "serve.log", free_port()
    command = [str(Path(sys.executable).with_name("secateur")), "serve", "--port", str(port)]
    with process(command, environment, log, cwd=home) as running:
        until(lambda: running.poll() is not None or "Ctrl-C ends it" in log.read_text())
        assert running.poll() is None, log.read_text()
        yield Api(f"http://127.0.0.1:{port}/api")
        no_errors(home / "prefect" / f"server-{port}.log")
