"""Logs of trainings, read as TensorBoard reads them."""

from __future__ import annotations

import pytest

from secateur.report.events import write_events
from secateur.report.histories import named

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator",
    reason="the package tensorboard is missing",
)


def _read(folder):
    """Tag -> (epochs, values)."""
    found = event_accumulator.EventAccumulator(str(folder))
    found.Reload()
    return {
        tag: ([event.step for event in found.Scalars(tag)], [e.value for e in found.Scalars(tag)])
        for tag in found.Tags()["scalars"]
    }


def test_tensorboard_reads_every_epoch_of_every_training(tmp_path):
    history = {"loss": [1.0, 0.5], "accuracy": [0.25, 0.75], "val_loss": [2.0, 1.5]}
    write_events({"train": history, "fine_tune": {"loss": [0.125]}}, tmp_path)
    assert _read(tmp_path / "train" / "train") == {
        "epoch_loss": ([0, 1], [1.0, 0.5]),
        "epoch_accuracy": ([0, 1], [0.25, 0.75]),
    }
    assert _read(tmp_path / "train" / "validation") == {"epoch_loss": ([0, 1], [2.0, 1.5])}
    assert _read(tmp_path / "fine_tune" / "train") == {"epoch_loss": ([0], [0.125])}
    assert not (tmp_path / "fine_tune" / "validation").exists()


def test_trainings_of_a_stage_that_ran_several_times_are_numbered():
    one, two, three = ({"loss": [float(n)]} for n in range(3))
    found = named([("train", one), ("fine_tune", two), ("prune", {}), ("fine_tune", three)])
    assert found == {"train": one, "fine_tune-1": two, "fine_tune-2": three}


def test_a_training_without_an_epoch_is_left_out():
    assert named([("train", {}), ("fine_tune", {"loss": []})]) == {}
