"""Whole commands: cached, killed, started together, in a folder of the user's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_a_cached_run_imports_no_tensorflow(tmp_path, command):
    arguments = ["--target.ratio", "0.9", "--train.epochs", "1", "--fine_tune.epochs", "1"]
    first = command(*arguments, "--output", str(tmp_path / "a"))
    assert first.wait(timeout=240) == 0, first.stdout.read()
    code = (
        "import sys; from secateur.flows.cli import main\n"
        f"assert main(['prune', *{arguments!r}, '--output', {str(tmp_path / 'b')!r}]) == 0\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=240)
    stages = json.loads((tmp_path / "b" / "report.json").read_text())["stages"]
    assert all(stage["cached"] for stage in stages)


def test_a_run_killed_three_times_ends_at_the_same_weights(tmp_path, command):
    arguments = ["--target.ratio", "0.9", "--seed", "3", "--importance.criterion", "magnitude"]
    arguments += ["--train.epochs", "30", "--fine_tune.epochs", "30"]
    whole, store = tmp_path / "whole", tmp_path / "store-killed"
    process = command(*arguments, "--output", str(whole))
    assert process.wait(timeout=300) == 0, process.stdout.read()

    output = tmp_path / "killed"
    again = [*arguments, "--output", str(output)]
    # An epoch of train, one of fine_tune, and a file of fine_tune's artifact have been written.
    moments = ["partial/*/epoch.npz", "partial/*/epoch.npz", "tmp/*/files/model.keras"]
    seen: set = set()
    for moment in moments:
        process = command(*again, SECATEUR_STORE=str(store))
        seen.add(_wait_for_new(store, moment, seen, process))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (output / "report.json").exists()
    process = command(*again, SECATEUR_STORE=str(store))
    assert process.wait(timeout=300) == 0, process.stdout.read()

    assert _digest(output) == _digest(whole)
    assert _built(output) == ["fine_tune", "prune", *["evaluate"] * 3, "explain"]
    assert list((store / "partial").iterdir()) == []
    assert list((store / "tmp").iterdir()) == []


def _wait_for_new(store, pattern, seen, process):
    """Waits until a build that was not seen before has a file of this name."""
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        for path in store.glob(pattern):
            if path.parts[-2] not in seen:
                return path.parts[-2]
        time.sleep(0.001)


def test_two_commands_started_together_share_the_work(tmp_path, command):
    arguments = ["--target.ratio", "0.9", "--train.epochs", "2", "--fine_tune.epochs", "2"]
    outputs = [tmp_path / "first", tmp_path / "second"]
    processes = [command(*arguments, "--output", str(output)) for output in outputs]
    for process in processes:
        assert process.wait(timeout=300) == 0, process.stdout.read()
    assert _digest(outputs[0]) == _digest(outputs[1])
    report = json.loads((outputs[0] / "report.json").read_text())
    names = sorted(stage["name"] for stage in report["stages"])
    assert sorted(_built(outputs[0]) + _built(outputs[1])) == names


def test_folders_of_the_user_do_not_shadow_the_command(tmp_path, command):
    """The installed command, in a folder with packages named as ours and as our libraries."""
    for name in ("flows", "tasks", "secateur", "prefect", "keras"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the wrong one')")
    script = Path(sys.executable).with_name("secateur")
    arguments = ["--target.ratio", "0.9", "--train.epochs", "1", "--fine_tune.epochs", "1"]
    process = command(*arguments, "--output", "out", cwd=tmp_path, script=[str(script), "prune"])
    assert process.wait(timeout=240) == 0, process.stdout.read()
    assert (tmp_path / "out" / "report.json").exists()


def _digest(output):
    from secateur.models.build import load_model
    from secateur.models.weights import content_digest

    return content_digest(load_model(output / "model.keras"))


def _built(output):
    stages = json.loads((output / "report.json").read_text())["stages"]
    return [stage["name"] for stage in stages if not stage["cached"]]
