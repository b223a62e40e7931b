"""A search that was killed and started again."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest

TRIALS = 6


def _entries():
    from secateur.store import open_store

    return {entry.key: entry for entry in open_store().list()}


@pytest.mark.slow
def test_killed_and_started_again_no_trial_is_lost_or_repeated(command, tmp_path):
    out = tmp_path / "out"
    arguments = ["--budget.accuracy_drop", "0.1", "--search.strategy", "tpe"]
    arguments += ["--search.trials", str(TRIALS), "--search.fresh_seeds", "1"]
    arguments += ["--train.epochs", "1", "--fine_tune.epochs", "2", "--search.rungs", "1"]
    arguments += ["--output", str(out)]
    script = [sys.executable, "-m", "secateur.flows.search"]

    first = command(*arguments, script=script)
    until = time.monotonic() + 120
    while sum(entry.stage == "validate" for entry in _entries().values()) < 4:
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = _entries()
    assert not (out / "search.json").exists()

    again = command(*arguments, script=script)
    printed, _ = again.communicate(timeout=240)
    assert again.returncode == 0, printed
    (step,) = json.loads((out / "search.json").read_text())["steps"]
    assert [trial["number"] for trial in step["trials"]] == list(range(TRIALS))
    after = _entries()
    assert before.keys() <= after.keys()
    assert all(after[key].created == entry.created for key, entry in before.items())
    # One fine-tuning to the first rung for each trial, one more for those that went on, and one
    # of all epochs with a fresh seed: a trial that was repeated would have other ratios.
    went_on = sum(trial["status"] != "stopped" for trial in step["trials"])
    tuned = sum(entry.stage == "fine_tune" for entry in after.values())
    assert tuned <= TRIALS + went_on + 5
    assert tuned >= TRIALS + 1
