"""The flow `prune` as users run it: as a process, and from Python."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

STAGES = ["load_data", "train", "importance", "prune", "fine_tune", *["evaluate"] * 3]


@pytest.fixture
def quick(tmp_path, prefect_server):
    """Calls the flow with few epochs; its output goes to a folder of the test's own."""
    from flows.prune import prune

    def run(**changes):
        groups = {
            "train": {"epochs": 2},
            "fine_tune": {"epochs": 1},
            "importance": {"criterion": "magnitude"},
            "target": {"ratio": 0.9},
            "seed": 1,
            "output": tmp_path / "out",
        }
        return prune(**{**groups, **changes})

    return run


def _cached(report):
    return [stage.name for stage in report.stages if stage.cached]


def _built(report):
    return [stage.name for stage in report.stages if not stage.cached]


def test_the_report_says_what_the_model_is(quick, tmp_path):
    import keras
    import numpy as np

    from secateur.report.schema import Report

    report = quick()
    assert [stage.name for stage in report.stages] == STAGES
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    model = keras.saving.load_model(tmp_path / "out" / "model.keras")
    kernels = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]
    size = sum(kernel.size for kernel in kernels)
    nonzero = sum(np.count_nonzero(kernel) for kernel in kernels)
    assert (report.dense.prunable, report.fine_tuned.nonzero) == (size, nonzero)
    assert nonzero == size - round(0.9 * size)
    assert report.sparsity == 1 - nonzero / size
    assert report.dense.nonzero == size


def test_a_second_run_builds_nothing_and_another_ratio_only_what_follows(quick):
    first = quick()
    assert _cached(first) == []
    second = quick()
    assert _built(second) == []
    assert second.fine_tuned == first.fine_tuned
    other = quick(target={"ratio": 0.5})
    assert _built(other) == ["prune", "fine_tune", "evaluate", "evaluate"]


def test_refresh_runs_a_stage_again_and_what_follows_stays(quick):
    quick()
    again = quick(refresh=["train"])
    assert _built(again) == ["train"]  # the same weights, so the same digest


def test_another_seed_of_fine_tuning_shares_the_dense_model(quick):
    quick()
    other = quick(fine_tune={"epochs": 1, "seed": 7})
    assert _built(other) == ["fine_tune", "evaluate"]


def test_a_run_is_named_and_tagged(quick):
    from prefect import get_client

    quick(target={"ratio": 0.75})
    with get_client(sync_client=True) as client:
        run = client.read_flow_runs(limit=1, sort="START_TIME_DESC")[0]
    assert run.name == "prune-mnist_5k-simple_net-0.75"
    assert {"mnist_5k", "magnitude"} <= set(run.tags)


def test_globs_that_match_nothing_are_refused_before_training(quick):
    from secateur.store import open_store

    with pytest.raises(ValueError, match="nothing_like_it"):
        quick(target={"ratio": 0.9, "include": ["nothing_like_it"]})
    names = [path.parent.name for path in (open_store().root / "objects").glob("*/*/manifest.json")]
    assert len(names) == 1  # load_data alone


def _command(tmp_path, *arguments, **options):
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")}
    environment.pop("PREFECT_API_URL", None)
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "prune", *arguments],
        env={**environment, **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


BAD = [
    (["--target.ratio", "1.5"], "target.ratio"),
    ([], "target is missing"),
    (["--target.ratio", "0.9", "--target.threshold", "1"], "2 ways"),
    (["--target.ratio", "0.9", "--dataset.name", "mnst"], "Did you mean"),
    (["--target.ratio", "0.9", "--importance.criterion", "gradiant"], "Did you mean"),
    (["--target.ratio", "0.9", "--target.pattern", "sparkle"], "pattern"),
    (["--target.ration", "0.9"], "--target.ration"),
    (["--target.ratio", "0.9", "--model.path", "none.keras"], "which is no file"),
    (["--target.ratio", "0.9", "--dataset.data_dir", "/no/where"], "which is no folder"),
    (["--target.ratio", "0.9", "--output", "/proc/nothing"], "cannot be written"),
    (["--target.ratio", "0.9", "--model.factory", "os:getcwd"], "has not allowed"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(a) or "none" for a, _ in BAD])
def test_bad_parameters_are_refused_without_tensorflow(arguments, message, capsys):
    from flows.cli import main

    try:
        code = main(["prune", *arguments])
    except SystemExit as error:  # argparse, for an unknown flag
        code = error.code
    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_a_cached_run_imports_no_tensorflow(tmp_path):
    arguments = ["--target.ratio", "0.9", "--train.epochs", "1", "--fine_tune.epochs", "1"]
    first = _command(tmp_path, *arguments, "--output", str(tmp_path / "a"))
    assert first.wait(timeout=240) == 0, first.stdout.read()
    code = (
        "import sys; from flows.cli import main\n"
        f"assert main(['prune', *{arguments!r}, '--output', {str(tmp_path / 'b')!r}]) == 0\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=240)
    stages = json.loads((tmp_path / "b" / "report.json").read_text())["stages"]
    assert all(stage["cached"] for stage in stages)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["train", "fine_tune"])
def test_a_killed_run_ends_at_the_same_weights(stage, tmp_path, monkeypatch):
    from secateur.models.build import load_model
    from secateur.models.weights import content_digest

    arguments = ["--target.ratio", "0.9", "--seed", "3", "--importance.criterion", "magnitude"]
    arguments += ["--train.epochs", "40", "--fine_tune.epochs", "40"]
    digests = []
    for name in ("whole", "killed"):
        store = tmp_path / f"store-{name}"
        output = tmp_path / name
        options = {"SECATEUR_STORE": str(store)}
        if name == "killed":
            process = _command(tmp_path, *arguments, "--output", str(output), **options)
            _wait_for_checkpoint(store, process, after=0 if stage == "train" else 1)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert not (output / "report.json").exists()
        process = _command(tmp_path, *arguments, "--output", str(output), **options)
        assert process.wait(timeout=300) == 0, process.stdout.read()
        digests.append(content_digest(load_model(output / "model.keras")))
        assert list((store / "partial").iterdir()) == []
    assert digests[0] == digests[1]


def _wait_for_checkpoint(store, process, after):
    """Waits until the `after`-th training of a run has finished its first epoch."""
    seen = set()
    deadline = time.monotonic() + 120
    while len(seen) <= after:
        assert process.poll() is None
        assert time.monotonic() < deadline
        seen.update(path.parent for path in store.glob("partial/*/epoch.npz"))
        time.sleep(0.005)
