"""What a person sees: lines for stages, one bar for epochs, a table at the end."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest
from rich.console import Console

from secateur.evaluation.schema import Cost, FileSize
from secateur.flows.terminal import Terminal, quiet_logs
from secateur.proof import Check
from secateur.report.record import StageRecord
from secateur.report.schema import Report


def _console(terminal=False):
    return Console(file=io.StringIO(), force_terminal=terminal, width=100)


def _record(name, subject=None, cached=False):
    return StageRecord(name=name, subject=subject, key="0" * 64, cached=cached, seconds=2.345)


def test_each_stage_has_a_line():
    console = _console()
    terminal = Terminal(console)
    terminal.finished(_record("train"))
    terminal.finished(_record("evaluate", "dense", cached=True))
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert lines == [["✓", "train", "2.3", "s"], ["✓", "evaluate", "dense", "cached"]]


def test_a_terminal_shows_a_bar_that_goes_away():
    console = _console(terminal=True)
    terminal = Terminal(console)
    terminal.begin("train", 4)
    terminal.advance(1.0, {"loss": 0.5, "accuracy": 0.875})
    terminal._progress.refresh()
    shown = console.file.getvalue()
    assert "train" in shown
    assert "25%" in shown
    assert "loss 0.5000  accuracy 0.8750" in shown
    terminal.end()
    left = console.file.getvalue().rpartition("\x1b[2K")[2]  # what follows the clearing of a line
    assert re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", left).strip() == ""
    terminal.end()


def test_a_training_of_no_epochs_shows_a_bar_too():
    terminal = Terminal(_console(terminal=True))
    terminal.begin("fine_tune", 0)
    terminal.end()


def test_where_the_output_is_no_terminal_there_is_no_bar():
    console = _console()
    terminal = Terminal(console)
    terminal.begin("train", 4)
    terminal.advance(1.0, {"loss": 0.5})
    terminal.end()
    assert console.file.getvalue() == ""


@pytest.fixture
def report():
    def cost(nonzero, accuracy):
        size = {"keras": FileSize(raw=10_000, gzip=nonzero)}
        return Cost(
            loss=0.5,
            metrics={"accuracy": accuracy},
            parameters=1_100,
            prunable=1_000,
            nonzero=nonzero,
            flops=2_000,
            bytes=size,
        )

    return Report(
        parameters={},
        task="classification",
        dense=cost(1_000, 0.95),
        pruned=cost(100, 0.5),
        fine_tuned=cost(100, 0.94),
        sparsity=0.9,
        layers=[],
        stages=[],
        notices=["The layers [conv_1] and [/b] stay."],
        exports=[],
    )


def test_the_result_is_a_table_a_sentence_and_a_place(report, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    Terminal(_console()).show(report, Path("/results/[bold] one/out"))
    lines = capsys.readouterr().out.strip().splitlines()
    rows = [line.split() for line in lines]
    assert rows[0] == ["dense", "pruned", "fine-tuned", "change"]
    assert rows[1] == ["accuracy", "95.00%", "50.00%", "94.00%", "-1.00", "points"]
    assert ["nonzero", "weights", "1,000", "100", "100", "10.0x", "less"] in rows
    assert "! The layers [conv_1] and [/b] stay." in lines
    assert lines[-1] == "Report and model: /results/[bold] one/out"
    text = " ".join(" ".join(lines).split())
    assert "90.0% of the 1,000 prunable weights are zero; accuracy went from 95.00%" in text


def test_what_was_checked_is_one_line(report, capsys):
    check = Check(
        subject="masks",
        statement="Zeros are zero.",
        examples=0,
        difference=0,
        tolerance=0,
        seconds=0.1,
    )
    line = "Checked: masks: largest difference 0."
    Terminal(_console()).show(report.model_copy(update={"checks": [check]}), Path("/out"))
    assert line in capsys.readouterr().out.splitlines()
    Terminal(_console()).show(report, Path("/out"))
    assert "Checked" not in capsys.readouterr().out


def test_the_table_fits_a_narrow_terminal(report, capsys, monkeypatch):
    monkeypatch.setattr("secateur.flows.terminal._results", lambda: Console(width=80))
    Terminal(_console()).show(report, Path("/out"))
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert "…" not in "".join(lines)


def test_in_a_file_no_line_is_cut(report, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    Terminal(_console()).show(report, Path("/out"))
    text = capsys.readouterr().out
    assert "90.0% of the 1,000 prunable weights are zero; accuracy went from 95.00%" in text
    assert "…" not in text


def test_warnings_of_the_pipeline_are_shown_and_all_else_is_not(monkeypatch):
    loggers = [logging.getLogger(name) for name in ("secateur", "tasks")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    console = _console()
    try:
        quiet_logs(console)
        logging.getLogger("secateur.training.checkpoint").warning("a checkpoint is damaged")
        logging.getLogger("secateur.store").info("a detail")
        logging.getLogger("secateur.tasks.stage").error("a stage failed")
        logging.getLogger("prefect").error("of prefect")
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    assert [line.strip() for line in console.file.getvalue().splitlines()] == [
        "a checkpoint is damaged",
        "a stage failed",
    ]
