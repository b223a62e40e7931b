"""What the server does with a run's events, and what a run does with a person's answer."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading

import pytest

from tests.deployments.conftest import until

pytestmark = pytest.mark.slow

QUICK = {
    "train": {"epochs": 1},
    "fine_tune": {"epochs": 1},
    "importance": {"criterion": "magnitude"},
    "target": {"ratio": 0.8},
}

ENDED = ("Completed", "Failed", "Crashed", "Cancelled")


@pytest.fixture
def inbox():
    """An HTTP server that keeps what is posted to it: its address, and the bodies."""
    bodies = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", bodies
    server.shutdown()
    server.server_close()


def _automations(environment, api, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "secateur.flows.cli", "automations", *arguments],
        env={**environment, "PREFECT_API_URL": api},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_poor_model_is_told_of(served, environment, home, inbox):
    address, bodies = inbox
    save = (
        "from prefect.blocks.notifications import CustomWebhookNotificationBlock as Webhook\n"
        f"Webhook(name='team', url={address!r}, method='POST',\n"
        "  json_data={'title': '{{subject}}', 'text': '{{body}}'}).save('team')\n"
    )
    here = {**environment, "PREFECT_API_URL": served.url}
    subprocess.run([sys.executable, "-c", save], env=here, check=True, timeout=120)
    assert "does not have" in _automations(environment, served.url, "--notify", "no/such").stderr
    told = _automations(environment, served.url, "--notify", "custom-webhook/team")
    assert told.returncode == 0, told.stderr
    assert len(served("/automations/filter", {})) == 2  # made anew, not twice

    good = served.start("prune", {**QUICK, "publish": {"accuracy_bar": 0.1}})
    assert served.end(good)["state"]["name"] == "Completed"
    poor = served.start("prune", {**QUICK, "publish": {"accuracy_bar": 0.999}})
    run = served.end(poor)
    assert run["state"]["name"] == "Completed"  # the run did what it was asked to
    (body,) = until(lambda: bodies)
    found = json.loads(body)
    assert found["title"] == f"{run['name']}: accuracy below the bar"
    report = json.loads((home / "secateur" / "prune" / "report.json").read_text())
    accuracy = report["fine_tuned"]["metrics"]["accuracy"]
    assert f"accuracy {accuracy:.2%}; the bar is 99.90%." in found["text"]
    until(lambda: len(served.events("secateur.report")) == 2)
    assert len(until(lambda: served.events("secateur.accuracy.low"))) == 1


def test_a_run_waits_for_approval(served, home):
    def start(name):
        output = home / name
        run = served.start("prune", {**QUICK, "publish": {"approval": True}, "output": str(output)})
        until(lambda: served.state(run) == "PAUSED", 180)
        state = served.run(run)["state"]
        assert state["name"] == "Suspended"
        until(lambda: not output.exists(), 60)  # it leaves nothing behind while it waits
        return run, output

    def resume(run, answer):
        return served(f"/flow_runs/{run}/resume", {"run_input": answer})

    run, output = start("wanted")
    refused = resume(run, {"publish": "perhaps"})
    assert refused["status"] == "REJECT"
    assert served.state(run) == "PAUSED"
    assert resume(run, {"publish": True, "reason": "good enough"})["status"] == "ACCEPT"
    assert served.end(run)["state"]["name"] == "Completed"
    stages = json.loads((output / "report.json").read_text())["stages"]
    assert all(stage["cached"] for stage in stages)  # done before it was suspended

    run, output = start("unwanted")
    resume(run, {"publish": False, "reason": "too poor"})
    state = served.end(run)["state"]
    assert (state["type"], state["name"]) == ("CANCELLED", "Rejected")
    assert state["message"] == "Not published: too poor."
    until(lambda: not output.exists(), 60)


def test_a_schedule_that_is_switched_on_makes_a_run(served, home):
    given = {**QUICK, "dataset": {"name": "digits"}, "output": str(home / "each-minute")}
    served.each_minute("prune", given)
    done = until(lambda: served.scheduled("prune", *ENDED), 180)[0]
    assert done["state"]["name"] == "Completed", done["state"]
    assert done["name"] == "prune-digits-simple_net-0.8"
    assert (home / "each-minute" / "report.json").exists()
