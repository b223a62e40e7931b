"""Runs and sweeps that are written to MLflow as well."""

from __future__ import annotations

import importlib.util

import pytest

from secateur.flows.cli import main

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


@pytest.mark.slow
def test_a_run_is_in_mlflow_with_its_curves_and_files(quick, client, tmp_path):
    report = quick(publish={"mlflow": "pruning"})
    (run,) = _runs(client, "pruning")
    assert run.info.run_name == "prune-mnist_5k-simple_net-0.9"
    assert run.data.params["target.ratio"] == "0.9"
    assert run.data.metrics["sparsity"] == report.sparsity
    assert run.data.metrics["fine_tuned.accuracy"] == report.fine_tuned.metrics["accuracy"]
    assert len(client.get_metric_history(run.info.run_id, "train.loss")) == 2
    kept = {file.path for file in client.list_artifacts(run.info.run_id)}
    there = {path.name for path in (tmp_path / "out").iterdir()}
    assert kept == there - {".secateur.json"}


@pytest.mark.slow
def test_each_trial_of_a_sweep_is_a_run(client, tmp_path, prefect_server):
    from secateur.flows.sweep import sweep

    report = sweep(
        sweep={"target": {"ratio": [0.5, 0.9]}},
        train={"epochs": 1},
        fine_tune={"epochs": 0},
        importance={"criterion": "magnitude"},
        output=tmp_path / "out",
        publish={"mlflow": "sweeps"},
    )
    runs = {run.data.params["target.ratio"]: run.data for run in _runs(client, "sweeps")}
    assert runs.keys() == {"0.5", "0.9"}
    for trial in report.trials:
        found = runs[str(trial.values["target.ratio"])]
        assert found.metrics["sparsity"] == trial.sparsity
        assert found.metrics["validation.accuracy"] == trial.validation.metrics["accuracy"]
        assert found.params["importance.criterion"] == "magnitude"


@pytest.mark.parametrize("command", ["prune", "sweep"])
def test_without_the_extra_nothing_starts(command, monkeypatch, tmp_path, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "mlflow" else find(name, *a)
    )
    amount = "--target.ratio" if command == "prune" else "--sweep.target.ratio"
    arguments = [command, amount, "0.5", "--output", str(tmp_path / "out")]
    assert main([*arguments, "--publish.mlflow", "pruning"]) == 2
    assert "pip install 'secateur[mlflow]'" in " ".join(capsys.readouterr().err.split())
