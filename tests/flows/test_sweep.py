"""The flow `sweep`: what runs, what is shared, what a failed trial does, what is written."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal

import pytest

from secateur.report.data_tables import card_summary
from secateur.report.sweep import SweepReport
from tests.flows.conftest import QUICK, check_names

GRID = {"target": {"ratio": [0.5, 0.9]}, "fine_tune": {"seed": [0, 1]}}


SHARED = {name: group for name, group in QUICK.items() if name != "target"}


@pytest.fixture
def sweep(tmp_path, prefect_server):
    """Calls the flow with few epochs."""
    from secateur.flows.sweep import sweep

    def run(grid=GRID, **changes):
        return sweep(sweep=grid, **{**SHARED, "output": tmp_path / "out", **changes})

    return run


@pytest.fixture(scope="module")
def _swept(tmp_path_factory, prefect_server):
    from secateur.flows.sweep import sweep

    folder = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECATEUR_STORE", str(folder / "store"))
        return folder, sweep(sweep=GRID, **SHARED, output=folder / "out")


@pytest.fixture
def swept(_swept, tmp_path):
    """The report of a sweep of GRID; the test has the store and the output that it left."""
    folder, report = _swept
    for part in ("store", "out"):
        shutil.copytree(folder / part, tmp_path / part)
    return report


def _stages():
    from secateur.store import open_store

    return sorted(entry.stage for entry in open_store().list())


def test_trials_share_what_they_have_in_common(swept, tmp_path):
    stages = _stages()
    assert {name: stages.count(name) for name in set(stages)} == {
        "load_data": 1,
        "train": 1,
        "importance": 1,
        "prune": 2 + 4,  # before and after fine-tuning
        "fine_tune": 4,
        "evaluate": 1 + 2 + 4,
    }
    assert [trial.status for trial in swept.trials] == ["done"] * 4
    assert [round(variant.figures["sparsity"].mean, 3) for variant in swept.variants] == [0.5, 0.9]
    assert all(variant.figures["test"].trials == 2 for variant in swept.variants)
    check_names(tmp_path / "out", "sweep")
    written = SweepReport.model_validate_json((tmp_path / "out" / "sweep.json").read_text())
    assert written == swept


def test_the_models_of_the_front_can_be_taken_away(swept, tmp_path):
    import keras
    import numpy as np

    assert swept.on_a_front
    for place in swept.on_a_front:
        variant = swept.variants[place]
        model = keras.saving.load_model(tmp_path / "out" / variant.model)
        kernels = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]
        nonzero = sum(np.count_nonzero(kernel) for kernel in kernels)
        dense = 784 * 64 + 64 * 32 + 32 * 10  # of which units that came out all zero are gone
        assert 1 - nonzero / dense == pytest.approx(variant.values["target.ratio"], abs=2e-3)


def test_the_page_needs_no_network(swept, tmp_path):
    page = (tmp_path / "out" / "sweep.html").read_text()
    assert "<script src=" not in page
    assert "<link" not in page
    assert "ratio=0.9" in page
    (card,) = swept.data_cards
    assert card_summary(card) in page


def test_a_larger_grid_computes_what_is_missing(swept, sweep):
    before = _stages()
    sweep({**GRID, "target": {"ratio": [0.5, 0.7, 0.9]}})
    new = _stages()
    for name in before:
        new.remove(name)
    assert sorted(new) == sorted([*["prune", "fine_tune"] * 2, "prune", *["evaluate"] * 3])


def test_a_failed_trial_is_told_and_the_others_stay(ran, sweep, monkeypatch):
    room = importlib.import_module("secateur.sparsity.select")
    select = room.select

    def sometimes(scores, target, **rest):
        if target.ratio == 0.8:
            raise ValueError("The scores of this trial are lost.")
        return select(scores, target, **rest)

    monkeypatch.setattr(room, "select", sometimes)
    report = sweep({**GRID, "target": {"ratio": [0.5, 0.8]}})
    assert [trial.status for trial in report.trials] == ["done", "done", "failed", "failed"]
    assert report.trials[2].error == "The scores of this trial are lost."
    assert any("ratio=0.8" in notice and "lost" in notice for notice in report.notices)
    assert report.variants[1].figures == {}


def test_a_sweep_of_which_every_trial_fails_fails(ran, sweep, tmp_path):
    with pytest.raises(RuntimeError, match="all 1 trials failed"):
        sweep({"target": {"ratio": [0.5]}}, target={"include": ["nothing_like_it"]})
    assert not (tmp_path / "out" / "sweep.json").exists()


def test_artifacts_of_a_sweep(ran, sweep):
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    sweep({"target": {"ratio": [0.9]}})
    with get_client(sync_client=True) as client:
        run = client.read_flow_runs(limit=1, sort="START_TIME_DESC")[0]
        own = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        keys = {artifact.key for artifact in client.read_artifacts(artifact_filter=own)}
    assert run.name == "sweep-mnist_5k-simple_net-ratio"
    assert {"sweep", "mnist_5k"} <= set(run.tags)
    assert {"pareto", "variants", "sweep", "data"} <= keys


@pytest.mark.slow
def test_two_workers_find_what_one_finds(swept, sweep, tmp_path, monkeypatch):
    monkeypatch.setenv("SECATEUR_STORE", str(tmp_path / "other"))
    together = sweep(workers=2)
    for one, other in zip(swept.trials, together.trials, strict=True):
        assert one.fine_tuned.nonzero == other.fine_tuned.nonzero
        assert one.fine_tuned.metrics["accuracy"] == pytest.approx(
            other.fine_tuned.metrics["accuracy"], abs=0.02
        )


@pytest.mark.slow
def test_a_killed_worker_does_not_take_the_others_down(sweep, monkeypatch):
    """The first worker that fine-tunes is killed; its trial and the others still end."""
    import threading
    import time

    from secateur.store import open_store

    root = open_store().root
    killed = []

    def kill():
        import psutil

        while not list(root.glob("partial/*/epoch.npz")) or not list(
            root.glob("objects/*/*/files/masks.npz")
        ):
            time.sleep(0.01)
        workers = [
            child
            for child in psutil.Process().children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
        os.kill(workers[0].pid, signal.SIGKILL)
        killed.append(workers[0].pid)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    report = sweep(workers=2, fine_tune={"epochs": 30})
    thread.join(timeout=10)
    assert killed
    assert [trial.status for trial in report.trials] == ["done"] * 4


@pytest.mark.slow
def test_a_dask_cluster_runs_trials(sweep):
    distributed = pytest.importorskip("distributed")
    pytest.importorskip("prefect_dask")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        report = sweep(runner="dask", address=cluster.scheduler_address)
    assert [trial.status for trial in report.trials] == ["done"] * 4


@pytest.mark.slow
def test_a_dask_cluster_that_does_not_answer_is_a_sentence(sweep):
    pytest.importorskip("prefect_dask")
    with pytest.raises(ValueError, match="where no Dask scheduler answers"):
        sweep(runner="dask", address="tcp://127.0.0.1:9")


def test_the_command_prints_the_front(ran, tmp_path, capsys):
    from secateur.flows.cli import main

    arguments = ["--sweep.target.ratio", "0.5,0.9", "--importance.criterion", "magnitude"]
    arguments += ["--train.epochs", "2", "--fine_tune.epochs", "1", "--seed", "1"]
    assert main(["sweep", *arguments, "--output", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "2 of 2 trials have a result" in out
    assert "ratio=0.9" in err
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["schema"] == 1
