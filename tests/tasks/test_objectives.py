"""A task that is no classification goes through all stages, up to the report."""

from __future__ import annotations

import json

import numpy as np
import pytest

from secateur.datasets.dataset import Dataset
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import digest_of, open_store
from secateur.tasks.evaluate import evaluate
from secateur.tasks.fine_tune import fine_tune
from secateur.tasks.importance import importance
from secateur.tasks.prune import prune
from secateur.tasks.report import gather
from secateur.tasks.train import train
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig
from tests.secateur.training.nets import OUTPUTS, split


def _data(kind):
    with open_store().build(digest_of(kind), stage="load_data") as build:
        for seed, name in enumerate(("train", "validation", "test")):
            part = split(60, seed, kind)
            np.save(build.directory / f"{name}_x.npy", part.x)
            np.save(build.directory / f"{name}_y.npy", part.y)
        info = {"name": "small", "task": kind, "shape": [4], "classes": OUTPUTS[kind], "scale": 1.0}
        (build.directory / "info.json").write_text(json.dumps(info))
        build.commit(Dataset(build.directory).fingerprint())
    return build.artifact.reference


@pytest.mark.parametrize(
    ("kind", "config", "metrics"),
    [
        ("regression", {}, ["mae"]),
        pytest.param(
            "binary",
            {"metrics": ("binary_accuracy", "AUC")},
            ["binary_accuracy", "AUC"],
            marks=pytest.mark.slow,
        ),
        pytest.param("multi_label", {}, ["accuracy"], marks=pytest.mark.slow),
    ],
)
def test_each_stage_takes_it(kind, config, metrics):
    data, goal = _data(kind), ObjectiveConfig(**config)
    settings = {"epochs": 3, "batch_size": 10, "learning_rate": 0.01}
    shared = {"data": data, "objective": goal}
    dense = train.task.fn(
        model=ModelConfig(), train=TrainConfig(**settings, keep="best"), seed=1, **shared
    )
    scoring = ImportanceConfig(criterion="gradient")
    scores = importance.task.fn(model=dense, importance=scoring, seed=1, **shared)
    pruned = prune.task.fn(model=dense, scores=scores, target=TargetConfig(ratio=0.8))
    tuned = fine_tune.task.fn(
        pruned=pruned,
        teacher=dense,
        fine_tune=FineTuneConfig(**settings, distill={"weight": 0.5}),
        seed=1,
        **shared,
    )
    subjects = {"dense": dense, "pruned": pruned, "fine_tuned": tuned}
    found = {name: evaluate.task.fn(model=model, **shared) for name, model in subjects.items()}
    report = gather({}, list(found.values()), found, {})
    assert (report.task, list(report.dense.metrics)) == (kind, metrics)
    assert report.sparsity == pytest.approx(0.8, abs=0.01)
    assert report.fine_tuned.loss < report.pruned.loss
