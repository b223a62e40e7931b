"""Approval where Prefect cannot suspend: on a terminal, or refused; and the events of a run."""

from __future__ import annotations

import io

import pytest
from prefect.exceptions import CancelledRun

from secateur.flows.cli import main


def test_only_what_was_approved_is_written(ran, quick, ask, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(ValueError, match="no terminal to ask on"):
        quick(publish={"approval": True})
    ask("n")
    with pytest.raises(CancelledRun, match="Not published"):
        quick(publish={"approval": True})
    assert not (output / "report.json").exists()
    shown = ask("y")
    report = quick(publish={"approval": True})
    assert (output / "report.json").exists()
    assert len(shown) == 2
    assert f"{report.fine_tuned.metrics['accuracy']:.2%}" in shown[-1]


@pytest.mark.parametrize("command", ["prune", "sweep"])
def test_the_command_refuses_to_ask_nobody(command, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    amount = "--target.ratio" if command == "prune" else "--sweep.target.ratio"
    arguments = [command, amount, "0.5", "--output", str(tmp_path / "out")]
    assert main([*arguments, "--publish.approval", "true"]) == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if "approval" in text]
    assert "no terminal to ask on" in line


@pytest.mark.parametrize(
    ("metric", "higher", "value", "low"),
    [("accuracy", True, 0.9, False), ("accuracy", True, 0.4, True), ("mae", False, 40.0, False),
     ("mae", False, 60.0, True), ("auc", True, 0.4, True)],
)  # fmt: skip
def test_an_error_shall_stay_below_the_bar(metric, higher, value, low, monkeypatch):
    from secateur.tasks.announce import announce

    sent = []
    monkeypatch.setattr(
        "secateur.tasks.announce.emit_event",
        lambda event, **rest: sent.append((event, rest["payload"])),
    )
    announce(value, 0.9, 50.0 if metric == "mae" else 0.5, {}, metric, higher)
    assert [event for event, _ in sent[1:]] == ["secateur.accuracy.low"] * low
    if low and metric == "mae":
        assert "ended with mae 60; the bar is 50." in sent[1][1]["message"]


def test_the_bar_decides_on_the_event(ran, quick, monkeypatch):
    sent = []
    monkeypatch.setattr(
        "secateur.tasks.announce.emit_event", lambda event, **rest: sent.append((event, rest))
    )
    report = quick(publish={"accuracy_bar": 0.0})
    quick(publish={"accuracy_bar": 1.0})
    assert [event for event, _ in sent] == [
        "secateur.report",
        "secateur.report",
        "secateur.accuracy.low",
    ]
    low = sent[-1][1]["payload"]
    assert low["accuracy"] == report.fine_tuned.metrics["accuracy"]
    assert low["sparsity"] == report.sparsity
    assert low["bar"] == 1.0
