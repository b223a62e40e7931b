"""Progress of a training, as the terminal and the Prefect UI get it."""

from __future__ import annotations

import contextlib

import pytest
from prefect import flow, get_client, task
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from secateur.tasks import progress
from secateur.tasks.progress import epochs_shown


class Display:
    def __init__(self):
        self.heard = []

    def begin(self, stage, epochs):
        self.heard.append(("begin", stage, epochs))

    def advance(self, epoch, metrics):
        self.heard.append(("advance", epoch, metrics))

    def end(self):
        self.heard.append(("end",))


@pytest.fixture
def display(monkeypatch):
    shown = Display()
    monkeypatch.setattr(progress, "displays", [shown])
    return shown


def test_a_display_hears_of_begin_progress_and_end(display):
    with epochs_shown("train", 2) as tell:
        tell(0.5, {"loss": 1.0})
        tell(2.0, {"loss": 0.5})
    assert display.heard == [
        ("begin", "train", 2),
        ("advance", 0.5, {"loss": 1.0}),
        ("advance", 2.0, {"loss": 0.5}),
        ("end",),
    ]


def test_a_display_hears_of_the_end_of_a_training_that_fails(display):
    with contextlib.suppress(ArithmeticError), epochs_shown("train", 2):
        raise ArithmeticError
    assert display.heard == [("begin", "train", 2), ("end",)]


def _artifacts(stage):
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[stage]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=wanted)


def _trained(stage, times):
    """Runs a task that tells of progress, and gives the artifacts of its name."""

    @task
    def training():
        with epochs_shown(stage, 4) as tell:
            for epoch in times:
                tell(epoch, {"loss": 0.25, "accuracy": 0.5})

    @flow
    def run():
        training()

    run()
    return _artifacts(stage.replace("_", "-"))


def test_a_long_training_shows_one_artifact_in_the_ui(prefect_server, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", 0.0)
    (artifact,) = _trained("long_one", (1.0, 2.5, 4.0))
    assert artifact.type == "progress"
    assert artifact.data == 100
    assert artifact.description == "epoch 4.0 of 4: loss 0.2500, accuracy 0.5000"


def test_the_ui_is_not_asked_more_often_than_every_few_seconds(prefect_server, monkeypatch):
    seconds = iter([0.0, 1.0, 2.5, 2.5, 3.0, 3.5, 4.0, 4.0, 4.0, 4.0])

    class Clock:
        monotonic = staticmethod(lambda: next(seconds))

    asked = []
    monkeypatch.setattr(progress, "time", Clock)
    monkeypatch.setattr(
        progress, "create_progress_artifact", lambda p, **_: asked.append(p) or "id"
    )
    monkeypatch.setattr(progress, "update_progress_artifact", lambda _, p, **__: asked.append(p))
    _trained("train", (1.0, 2.0, 2.5, 3.0, 4.0))
    assert asked == [50, 100]  # after 2.5 seconds, and at the end


def test_a_short_training_asks_the_ui_for_nothing(prefect_server):
    assert _trained("short", (2.0, 4.0)) == []


def test_outside_a_task_the_ui_is_not_asked(monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_UPDATES", 0.0)
    monkeypatch.setattr(
        progress, "create_progress_artifact", lambda *_, **__: pytest.fail("asked the server")
    )
    with epochs_shown("train", 1) as tell:
        tell(1.0, {"loss": 1.0})
