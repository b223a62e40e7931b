"""A work pool as a team runs it, on SQLite and on PostgreSQL: schedules, late and lost runs, slots.

The server's services fail in its log alone: that definitions load, or that runs which somebody
starts end well, says nothing of them. `pool` reads the log when all is done.
"""

from __future__ import annotations

import contextlib

import pytest

from tests.deployments.conftest import FINAL, QUICK, Api, until
from tests.deployments.pool import kill_machine, pool, worker
from tests.deployments.postgresql import HAS_POSTGRESQL, postgresql

pytestmark = pytest.mark.slow
_POSTGRESQL = pytest.mark.skipif(not HAS_POSTGRESQL, reason="there is no PostgreSQL here")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=_POSTGRESQL)])
def client(request, environment, tmp_path_factory):
    """The environment of a client of a server on a new data base."""
    folder = tmp_path_factory.mktemp(request.param)
    own = {**environment, "HOME": str(folder), "PREFECT_HOME": str(folder / "prefect")}
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgresql()) if request.param == "postgresql" else None
        yield stack.enter_context(pool(own, folder, database))


@pytest.fixture(scope="module")
def api(client):
    return Api(client["PREFECT_API_URL"])


@pytest.fixture(scope="module")
def lost(client, api, tmp_path_factory):
    """A run whose machine is gone; it takes a while to be missed."""
    log = tmp_path_factory.mktemp("lost") / "worker.log"
    with worker(client, log) as machine:
        run = api.start("compress", {"train": {"epochs": 5000}})
        until(lambda: api.events("prefect.flow-run.heartbeat"))
        kill_machine(machine.pid)
    return run


@pytest.fixture(scope="module")
def at_work(client, api, lost, tmp_path_factory):
    """A worker that starts only after a schedule's run is late, and what was late."""
    api.each_minute("prune", QUICK)
    late = until(lambda: api.scheduled("prune", "Late"), 150)[0]["id"]
    with worker(client, tmp_path_factory.mktemp("work") / "worker.log"):
        yield late


def test_a_schedule_makes_a_run_and_a_worker_completes_it(api, at_work):
    run = api.end(at_work)
    assert run["state"]["name"] == "Completed", run["state"]
    assert run["name"] == "prune-digits-simple_net-0.8"
    assert run["auto_scheduled"]
    found = api("/artifacts/filter", {"flow_runs": {"id": {"any_": [at_work]}}})
    assert {"report", "layers"} <= {artifact["key"] for artifact in found}
    until(lambda: _about(at_work, api.events("secateur.report")))


def _about(run, events):
    """Those of the events that a run is part of."""
    name = f"prefect.flow-run.{run}"
    return [e for e in events if name in {there["prefect.resource.id"] for there in e["related"]}]


def test_runs_that_find_no_place_wait_or_are_left_out(api, at_work, tmp_path):
    sweep = {**QUICK, "sweep": {"fine_tune": {"seed": [0, 1]}}, "output": str(tmp_path / "out")}
    first = api.start("sweep-ratios", sweep)
    waiting = [api.start("transfer", {"transfer": {"source": "nowhere"}}) for _ in range(2)]
    until(lambda: api.state(first) == "RUNNING")
    second = api.start("sweep-ratios", sweep)
    assert api.end(second)["state"]["type"] == "CANCELLED"
    assert api.end(first)["state"]["name"] == "Completed"
    assert [api.end(run)["state"]["type"] for run in waiting] == ["FAILED", "FAILED"]
    was = {
        state["name"] for run in waiting for state in api(f"/flow_run_states/?flow_run_id={run}")
    }
    assert "AwaitingConcurrencySlot" in was


def test_a_suspended_run_goes_on(api, at_work, tmp_path):
    given = {**QUICK, "publish": {"approval": True}, "output": str(tmp_path / "out")}
    run = api.start("prune", given)
    until(lambda: api.state(run) in FINAL | {"PAUSED"}, 240)
    assert api.run(run)["state"]["name"] == "Suspended"
    answer = api(f"/flow_runs/{run}/resume", {"run_input": {"publish": True}})
    assert answer["status"] == "ACCEPT"
    assert api.end(run)["state"]["name"] == "Completed"
    assert (tmp_path / "out" / "report.json").exists()


def test_a_lost_run_is_crashed(api, lost):
    state = api.end(lost)["state"]
    assert state["type"] == "CRASHED"
    assert "No sign of life" in state["message"]
