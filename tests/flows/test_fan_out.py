"""Trials as runs of a deployment, on a server that now and then does not answer."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Failed

from secateur.flows import fan_out
from secateur.flows.fan_out import run_as_deployments
from secateur.flows.trials import Job, Result
from secateur.tasks import connection


@pytest.fixture
def server(monkeypatch):
    """A server that loses each request once; `ends` says how the runs of a trial end."""
    runs, ends, lose = {}, {}, {"start": True, "poll": True}

    def start(_, parameters, flow_run_name, idempotency_key, **__):
        known = next((r for r in runs.values() if r.idempotency_key == idempotency_key), None)
        run = known or FlowRun(
            id=uuid4(),
            flow_id=uuid4(),
            name=flow_run_name,
            parameters=parameters,
            idempotency_key=idempotency_key,
            state=ends[flow_run_name].pop(0),
        )
        runs[run.id] = run
        lose["start"] = not lose["start"]
        if not lose["start"]:  # it was carried out; the answer is what is lost
            raise httpx.ReadError("reset")
        return run

    def ended(ids):
        lose["poll"] = not lose["poll"]
        if not lose["poll"]:
            raise httpx.ConnectError("refused")
        return [runs[run] for run in ids]

    monkeypatch.setattr(fan_out, "run_deployment", start)
    monkeypatch.setattr(fan_out, "_ended", ended)
    monkeypatch.setattr(fan_out, "_POLL", 0.01)
    monkeypatch.setattr(connection, "_PAUSE", 0.01)
    return SimpleNamespace(runs=runs, ends=ends)


def test_lost_requests_start_no_run_twice(server):
    server.ends.update(
        good=[Completed()],
        bad=[Failed(message="NaN.\nTraceback")],
        unlucky=[Crashed(), Completed()],
        hopeless=[Crashed(message="killed")] * 3,
    )
    jobs = [Job(name, "trial", {}) for name in server.ends]
    told = []
    results = run_as_deployments("trial/trial", jobs, lambda job, _: told.append(job.name))
    assert results == [Result(), Result("NaN."), Result(), Result("killed", crashed=True)]
    assert sorted(told) == sorted(server.ends)
    assert len(server.runs) == 1 + 1 + 2 + 3
    assert not any(server.ends.values())


def test_a_deployment_that_does_not_exist(monkeypatch):
    def start(*_, **__):
        raise ObjectNotFound(None)

    monkeypatch.setattr(fan_out, "run_deployment", start)
    with pytest.raises(ValueError, match="does not have; deploy it"):
        run_as_deployments("no/such", [Job("a", "trial", {})], lambda *_: None)
