"""Schedules and methods in the flow: rounds, gradual pruning, SparseGPT; every criterion."""

from __future__ import annotations

import pytest

from secateur.importance.names import BUILT_IN

pytestmark = pytest.mark.usefixtures("shared_store")


def _runs(report):
    told = ("evaluate", "explain")
    return [(stage.name, stage.round) for stage in report.stages if stage.name not in told]


def test_rounds_are_stages_and_remove_the_same_share_each(quick, tmp_path):
    from secateur.sparsity.masks import Masks
    from secateur.store import open_store

    target = {"ratio": 0.9, "schedule": "iterative", "rounds": 2}
    report = quick(target=target)
    assert _runs(report) == [
        ("load_data", None),
        ("train", None),
        ("importance", 1),
        ("prune", 1),
        ("fine_tune", 1),
        ("importance", 2),
        ("prune", 2),
        ("fine_tune", 2),
        ("prune", None),  # of what is left the channels that do nothing
    ]
    keys = [stage.key for stage in report.stages if stage.name == "prune" and stage.round]
    first, second = [Masks.load(open_store().get(key).directory / "masks.npz") for key in keys]
    assert first.sparsity() == pytest.approx(1 - 0.1**0.5, abs=1e-4)
    assert second.sparsity() == pytest.approx(0.9, abs=1e-4)
    assert all((second[path] <= first[path]).all() for path in first)
    assert report.sparsity == pytest.approx(0.9, abs=1e-4)
    again = quick(target=target)
    assert all(stage.cached for stage in again.stages)


def test_more_rounds_share_nothing_but_the_dense_model_and_its_scores(quick):
    quick(target={"ratio": 0.9, "schedule": "iterative", "rounds": 2})
    other = quick(target={"ratio": 0.9, "schedule": "iterative", "rounds": 3})
    cached = [stage.name for stage in other.stages if stage.cached]
    assert cached == ["load_data", "train", "importance", "evaluate"]


@pytest.mark.parametrize("criterion", ["magnitude", "movement"])
def test_gradual_pruning_is_part_of_fine_tuning(criterion, quick):
    report = quick(
        target={"ratio": 0.8, "schedule": "gradual", "frequency": 10},
        importance={"criterion": criterion, "examples": 500},
        fine_tune={"epochs": 2},
    )
    names = [name for name, _ in _runs(report)]
    assert names == ["load_data", "train", "fine_tune", "prune", "prune"]
    assert report.sparsity == pytest.approx(0.8, abs=1e-4)
    # A unit that came out all zero is gone, and what read it too.
    assert 0.98 * report.pruned.nonzero < report.fine_tuned.nonzero <= report.pruned.nonzero


def test_sparsegpt_chooses_and_rewrites_in_the_stage_prune(quick):
    report = quick(
        target={"pattern": "2:4"}, importance={"criterion": "sparsegpt", "examples": 500}
    )
    names = [name for name, _ in _runs(report)]
    assert names == ["load_data", "train", "prune", "fine_tune", "prune"]
    assert report.sparsity == pytest.approx(0.5, abs=1e-3)
    assert report.pruned.metrics["accuracy"] > 0.5  # what is left was adapted


@pytest.mark.slow
@pytest.mark.parametrize("criterion", sorted(set(BUILT_IN) - {"batchnorm_scale"}))
def test_the_command_runs_with_every_criterion(criterion, tmp_path, capsys):
    import json

    from secateur.flows.cli import main

    target = ["--target.ratio", "0.5"]
    if BUILT_IN[criterion].kind == "method":
        target += ["--target.allocation", "uniform"]
    arguments = [*target, "--importance.criterion", criterion, "--importance.examples", "200"]
    arguments += ["--train.epochs", "2", "--fine_tune.epochs", "1", "--seed", "1"]
    arguments += ["--output", str(tmp_path / "out")]
    assert main(["prune", *arguments]) == 0, capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["sparsity"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.slow
def test_the_command_runs_with_batchnorm_scale(tmp_path, capsys, prefect_server):
    """It needs BatchNormalization, which `simple_net` does not have: there it is refused."""
    import json

    from secateur.flows.cli import main

    arguments = ["--target.ratio", "0.3", "--importance.criterion", "batchnorm_scale"]
    arguments += ["--train.epochs", "1", "--fine_tune.epochs", "1"]
    arguments += ["--output", str(tmp_path / "out")]
    assert main(["prune", *arguments]) == 1
    assert "BatchNorm" in capsys.readouterr().err
    own = ["--model.name", "resnet_20", "--dataset.name", "digits"]
    assert main(["prune", *own, *arguments]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["sparsity"] > 0.2
