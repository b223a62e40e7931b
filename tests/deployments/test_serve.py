"""`secateur serve`: a server, the deployments and their runs by one command."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.deployments.conftest import SERVE, Api, free_port, no_errors, process, until

pytestmark = pytest.mark.slow

QUICK = {
    "train": {"epochs": 1},
    "fine_tune": {"epochs": 1},
    "importance": {"criterion": "magnitude"},
}
OLDER = "secateur.flows.prune.prune".removeprefix("secateur.")


def _served(command, environment, log, port):
    """`secateur serve`, when it is ready."""
    started = process([*command, "--port", str(port)], environment, log)
    return started, Api(f"http://127.0.0.1:{port}/api")


def _ready(log, running):
    until(lambda: running.poll() is not None or "Ctrl-C ends it" in log.read_text())
    assert running.poll() is None, log.read_text()


def _automations(api):
    return sorted(found["name"] for found in api("/automations/filter", {}))


def test_runs_switches_and_ctrl_c(home, environment):
    log, port = home / "serve.log", free_port()
    command, api = _served(SERVE, environment, log, port)
    with command as running:
        _ready(log, running)
        assert f"Prefect's UI: http://127.0.0.1:{port}" in log.read_text()
        found = api.deployments()
        assert set(found) == {
            "prune", "sweep-ratios", "sweep-thresholds", "search", "compress", "transfer", "trial",
            "cache-collect"
        }  # fmt: skip
        assert not any(s["active"] for d in found.values() for s in d["schedules"])
        names = _automations(api)
        assert len(names) == 2
        server = home / "prefect" / f"server-{port}.log"
        assert f"The server's log: {server}" in log.read_text()

        run = api.end(api.start("prune", {**QUICK, "target": {"ratio": 0.8}}))
        assert run["state"]["name"] == "Completed", run["state"]
        assert run["name"] == "prune-mnist_5k-simple_net-0.8"
        assert {"secateur", "prune", "mnist_5k", "magnitude"} <= set(run["tags"])
        report = json.loads((home / "secateur" / "prune" / "report.json").read_text())
        assert report["sparsity"] == pytest.approx(0.8, abs=1e-3)

        (event,) = until(lambda: api.events("secateur."))
        assert event["event"] == "secateur.report"
        assert event["payload"]["accuracy"] == report["fine_tuned"]["metrics"]["accuracy"]

        # The operator's switches outlive the process; an unknown key makes no run.
        prune, sweep = found["prune"], found["sweep-ratios"]
        nightly = prune["schedules"][0]["id"]
        api(f"/deployments/{prune['id']}/schedules/{nightly}", {"active": True}, "PATCH")
        api(f"/deployments/{sweep['id']}", {"paused": True}, "PATCH")
        with pytest.raises(RuntimeError, match="409"):
            api.start("prune", {"target": {"ratoi": 0.8}})

        no_errors(server)

        long = {**QUICK, "train": {"epochs": 5000}, "target": {"ratio": 0.8}}
        last = api.start("prune", long)
        until(lambda: _process_of(last))
        until(lambda: api.state(last) == "RUNNING")
        # What an older version left behind.
        api(f"/deployments/{prune['id']}", {"entrypoint": OLDER}, "PATCH")
        assert api.deployments()["prune"]["entrypoint"] == OLDER
        os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C does
        assert running.wait(timeout=60) == 0, log.read_text()
        assert not api.healthy()
        assert not _process_of(last)
    assert log.read_text().endswith("Stopped.\n")

    log.write_text("")
    command, api = _served(SERVE, environment, log, port)
    with command as running:
        _ready(log, running)
        assert api.state(last) == "CANCELLED"
        found = api.deployments()
        assert [s["active"] for s in found["prune"]["schedules"]] == [True]
        assert found["sweep-ratios"]["paused"]
        assert not found["prune"]["paused"]
        assert _automations(api) == names
        again = api.start("prune", {**QUICK, "target": {"ratio": 0.8}})
        assert api.end(again)["state"]["name"] == "Completed"  # by the entry point of today
        no_errors(server)
        with server.open("ab") as words:
            words.write(b"12:00:00.000 | ERROR   | docket.worker - no schedules today\n")
        told = "Prefect's server has trouble: docket.worker - no schedules today"
        until(lambda: told in log.read_text(), 20)
        running.terminate()  # as a service manager does
        assert running.wait(timeout=60) == 0
        assert not api.healthy()


def _process_of(run_id):
    """Whether a process runs this flow run."""
    found = Path("/proc").glob("[0-9]*/environ")
    return any(f"FLOW_RUN_ID={run_id}".encode() in _read(path) for path in found)


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _refused(environment, *arguments, **more):
    result = subprocess.run(
        [*SERVE, *arguments],
        env={**environment, **more},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in result.stderr
    (line,) = [text for text in result.stderr.splitlines() if text.startswith("secateur serve:")]
    return result.returncode, line


def test_bad_addresses_are_one_sentence(environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, line = _refused(environment, "--port", port)
        assert (code, f"Port {port} of 127.0.0.1" in line) == (1, True)
    for port in ("0", "65536", "-1"):
        code, line = _refused(environment, "--port", port)
        assert (code, "from 1 to 65535" in line) == (2, True)
    nobody = f"http://127.0.0.1:{free_port()}/api"
    code, line = _refused(environment, PREFECT_API_URL=nobody)
    assert (code, nobody in line, "no Prefect server answers" in line) == (1, True, True)
    code, line = _refused(environment, "--port", "4711", PREFECT_API_URL=nobody)
    assert (code, "leave out one of them" in line) == (2, True)
