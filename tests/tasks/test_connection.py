"""A Prefect server that restarts, is busy or is gone, as a run sees it."""

from __future__ import annotations

import httpx
import pytest

from secateur.tasks import connection, progress
from secateur.tasks.connection import insist, lost, said, shown_only
from secateur.tasks.progress import counted

ASKED = httpx.Request("POST", "http://127.0.0.1:1/api/flow_runs/filter")
GONE = httpx.ConnectError("All connection attempts failed")


def _answer(status):
    return httpx.HTTPStatusError("no", request=ASKED, response=httpx.Response(status))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(connection, "_PAUSE", 0.01)


def _requests(*answers):
    """A request that gives these one after another, and the list of what is left of them."""
    left = list(answers)

    def request():
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return request, left


def test_a_request_is_made_again_until_the_server_answers():
    request, left = _requests(GONE, _answer(503), httpx.ReadError("reset"), "runs", "unasked")
    assert insist(request) == "runs"
    assert left == ["unasked"]


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_what_the_server_refuses_is_not_asked_again(status):
    refused = _answer(status)
    request, left = _requests(refused, "unasked")
    with pytest.raises(httpx.HTTPStatusError):
        insist(request)
    assert left == ["unasked"]
    assert not lost(refused)
    with pytest.raises(httpx.HTTPStatusError), shown_only():
        raise refused


def test_patience_ends_with_one_sentence(monkeypatch):
    monkeypatch.setattr(connection, "_PATIENCE", 0.05)

    def request():
        raise GONE

    with pytest.raises(RuntimeError, match=r"no longer answers .*: run the same command again"):
        insist(request)
    assert "\n" not in said(httpx.ReadTimeout("a\nb"))


def test_a_run_goes_on_unseen(monkeypatch, caplog):
    asked = []

    def create(*_, **__):
        asked.append(1)
        raise GONE

    monkeypatch.setattr(progress, "create_progress_artifact", create)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", -1.0)
    monkeypatch.setattr(progress.FlowRunContext, "get", lambda: "a flow run")
    with counted("trials", 3) as count:
        for name in ("a", "b", "c"):
            count(name, None)
    assert asked == [1]  # each try takes a minute
    (record,) = caplog.records
    assert "does not answer" in record.getMessage()
    assert "the run goes on" in record.getMessage()
