"""Runs written to MLflow, read back by MLflow."""

from __future__ import annotations

import importlib.util
import socket

import pytest

from secateur.report.numbers import numbers
from secateur.report.tracking import (
    Tracked,
    TrackingError,
    check_tracking,
    open_experiment,
    track,
)

mlflow = pytest.importorskip("mlflow", reason="the package mlflow-skinny is missing")


@pytest.fixture
def client(tmp_path, monkeypatch):
    """MLflow with a store in files, which is the quickest to make."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    return mlflow.MlflowClient()


def _runs(client, experiment):
    found = client.get_experiment_by_name(experiment)
    return client.search_runs([found.experiment_id])


def test_a_run_is_read_back_as_it_was(client, report, tmp_path):
    (tmp_path / "tensorboard" / "train").mkdir(parents=True)
    (tmp_path / "tensorboard" / "train" / "events").write_bytes(b"events")
    (tmp_path / "model.keras").write_bytes(b"the model")
    tracked = Tracked(
        name="prune-mnist_5k",
        parameters={"target": {"ratio": 0.9, "threshold": None}, "include": ["a", "b"], "seed": 1},
        metrics={"sparsity": 0.9, "top 5@image": 0.99},
        curves={"train": {"loss": [1.0, 0.5], "val_loss": [1.5, 0.75]}},
        files=[tmp_path / "model.keras", tmp_path / "tensorboard"],
    )
    open_experiment("pruning")
    (number,) = track("pruning", [tracked])
    (run,) = _runs(client, "pruning")
    assert (run.info.run_id, run.info.status) == (number, "FINISHED")
    assert run.info.run_name == "prune-mnist_5k"
    assert run.data.params == {"target.ratio": "0.9", "include": "['a', 'b']", "seed": "1"}
    assert run.data.metrics["sparsity"] == 0.9
    assert run.data.metrics["top 5_image"] == 0.99
    steps = client.get_metric_history(number, "train.val_loss")
    assert [(point.step, point.value) for point in steps] == [(0, 1.5), (1, 0.75)]
    assert [file.path for file in client.list_artifacts(number)] == ["model.keras", "tensorboard"]
    assert [file.path for file in client.list_artifacts(number, "tensorboard/train")] == [
        "tensorboard/train/events"
    ]


def test_more_than_one_request_holds(client):
    tracked = Tracked(
        name="long",
        parameters={f"p{i}": i for i in range(250)},
        metrics={},
        curves={"train": {"loss": [float(i) for i in range(2500)]}},
    )
    (number,) = track("pruning", [tracked])
    assert len(client.get_run(number).data.params) == 250
    assert len(client.get_metric_history(number, "train.loss")) == 2500


def test_several_runs_go_into_one_experiment(client):
    runs = [Tracked(name=str(i), parameters={}, metrics={"x": i}) for i in range(3)]
    assert len(set(track("pruning", runs))) == 3
    assert {run.data.metrics["x"] for run in _runs(client, "pruning")} == {0, 1, 2}


def test_a_run_that_is_not_taken_is_marked_and_told(client, tmp_path):
    gone = Tracked(name="gone", parameters={}, metrics={}, files=[tmp_path / "gone"])
    with pytest.raises(TrackingError, match="did not take the run") as error:
        track("pruning", [gone])
    assert "\n" not in str(error.value)
    (run,) = _runs(client, "pruning")
    assert run.info.status == "FAILED"


def test_a_server_out_of_reach_is_told_early_and_without_its_password(monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(ValueError, match="cannot be used") as error:
            open_experiment("pruning")
    assert f"http://127.0.0.1:{port}" in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_without_the_package_the_extra_is_named(monkeypatch):
    check_tracking()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'secateur\[mlflow\]'\.$"):
        check_tracking()


def test_every_number_of_a_report_has_a_name(report):
    found = numbers(report)
    assert found["sparsity"] == report.sparsity
    assert found["dense.accuracy"] == 0.9312
    assert found["fine_tuned.loss"] == 0.3
    assert found["fine_tuned.bytes.keras.gzip"] == 1_000
    assert found["pruned.nonzero"] == 100
    assert not [name for name in found if "latency" in name]  # not measured
