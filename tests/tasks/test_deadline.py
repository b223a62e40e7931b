"""When a training is told to stop, and what its stage makes of it."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from secateur.store import digest_of, open_store
from secateur.tasks import stage as stage_module
from secateur.tasks.deadline import Halt, deadline
from secateur.tasks.stage import Product, Stage, read


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still at `clock.now` seconds."""
    fake = SimpleNamespace(now=100.0)
    monkeypatch.setattr("secateur.tasks.deadline.time", SimpleNamespace(monotonic=lambda: fake.now))
    return fake


def test_a_training_stops_at_the_first_epoch_that_ends_too_late(clock):
    with deadline(timedelta(minutes=1)):
        halt = Halt("train", 9)
        assert [halt.asked(1), halt.said] == [False, None]
        clock.now = 159.9
        assert [halt.asked(2), halt.said] == [False, None]
        clock.now = 160.0
        assert halt.asked(3)
        assert halt.said.startswith("train stopped at the deadline after 3 of 9 epochs")
        later = Halt("fine_tune", 4)
        assert later.asked(1)  # one epoch, and not none
        assert "after 1 of 4 epochs" in later.said


def test_what_a_training_needs_in_any_case_it_gets(clock):
    with deadline(timedelta(seconds=1)):
        clock.now = 200.0
        halt = Halt("train", 9, at_least=2)
        assert [halt.asked(1), halt.asked(2)] == [False, True]


def test_without_a_deadline_nobody_is_asked(clock):
    assert Halt("train", 9).asked is None
    with deadline(None):
        assert Halt("train", 9).asked is None
    with deadline(timedelta(seconds=1)):
        assert Halt("train", 9).asked
    assert Halt("train", 9).asked is None


def test_the_earlier_of_two_deadlines_counts(clock):
    with deadline(timedelta(seconds=5)), deadline(timedelta(seconds=50)):
        clock.now = 106.0
        assert Halt("train", 9).asked(1)


def test_an_unfinished_result_serves_its_run_and_the_build_goes_on(monkeypatch):
    monkeypatch.setattr(stage_module, "import_tensorflow", lambda: None)
    said = {1: "stopped after 1", 2: "stopped after 2", 3: None}

    def evaluate(build):
        done = len(list(build.partial.iterdir())) + 1
        (build.partial / str(done)).touch()
        (build.directory / "done.txt").write_text(str(done))
        (build.directory / "more").mkdir()
        (build.directory / "more" / "done.txt").write_text(str(done))
        return Product(digest_of(done), {"notices": ["a notice"]}, said[done])

    stage = Stage("evaluate", evaluate, None)
    seen = [stage.task.fn() for _ in range(3)]
    assert [one.digest for one in seen] == [digest_of(done) for done in (1, 2, 3)]
    assert [one.key == stage.key() for one in seen] == [False, False, True]
    assert seen[0].key != seen[1].key
    assert stage.task.fn().name == "Cached"
    for number, one in enumerate(seen, 1):
        assert (read(one).directory / "done.txt").read_text() == str(number)
        assert (read(one).directory / "more" / "done.txt").read_text() == str(number)
        assert read(one).metadata["notices"] == ["a notice", *filter(None, [said[number]])]
    assert not list((open_store().root / "partial").iterdir())
    assert not list((open_store().root / "tmp").iterdir())
