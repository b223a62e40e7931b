"""Logs of trainings, read as TensorBoard's own page reads them."""

from __future__ import annotations

import pytest

from secateur.report.events import write_events
from secateur.report.histories import named

pytest.importorskip("tensorboard", reason="the package tensorboard is missing")


def _read(folder):
    """Run -> tag -> (epoch, value) of each point."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext

    runs = EventMultiplexer()
    runs.AddRunsFromDirectory(str(folder))
    runs.Reload()
    provider = MultiplexerDataProvider(runs, str(folder))
    found = provider.read_scalars(
        RequestContext(), experiment_id="", plugin_name="scalars", downsample=100
    )
    return {
        run: {tag: [(p.step, p.value) for p in points] for tag, points in tags.items()}
        for run, tags in found.items()
    }


def test_tensorboard_shows_every_epoch_of_every_training(tmp_path):
    history = {"loss": [1.0, 0.5], "accuracy": [0.25, 0.75], "val_loss": [2.0, 1.5]}
    write_events({"train": history, "fine_tune": {"loss": [0.125]}}, tmp_path)
    assert _read(tmp_path) == {
        "train/train": {
            "epoch_loss": [(0, 1.0), (1, 0.5)],
            "epoch_accuracy": [(0, 0.25), (1, 0.75)],
        },
        "train/validation": {"epoch_loss": [(0, 2.0), (1, 1.5)]},
        "fine_tune/train": {"epoch_loss": [(0, 0.125)]},
    }


def test_trainings_of_a_stage_that_ran_several_times_are_numbered():
    one, two, three = ({"loss": [float(n)]} for n in range(3))
    found = named([("train", one), ("fine_tune", two), ("prune", {}), ("fine_tune", three)])
    assert found == {"train": one, "fine_tune-1": two, "fine_tune-2": three}


def test_a_training_without_an_epoch_is_left_out():
    assert named([("train", {}), ("fine_tune", {"loss": []})]) == {}
