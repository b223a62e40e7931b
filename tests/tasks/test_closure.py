"""What a stage imports as it runs is what its key counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secateur.importance.names import BUILT_IN
from secateur.store import source_digest
from tests.tasks.one_stage import one_stage

ROOT = Path(__file__).resolve().parents[2]


def _run(stage, *calls, **environment):
    """Runs a stage in a process of its own; checks what it imported; returns its references."""
    references, files = one_stage(stage, list(calls), {**os.environ, **environment})
    closure = source_digest(ROOT / "tasks" / f"{stage}.py", ROOT).files
    imported = {Path(file).resolve(): name for name, file in files.items()}
    assert ROOT / "tasks" / f"{stage}.py" in imported
    missed = sorted(imported[file] for file in imported.keys() - set(closure))
    assert missed == [], f"the key of {stage} misses code that it runs"
    return references


@pytest.mark.slow
def test_each_stage_imports_only_what_its_key_counts(tmp_path):
    """Every built-in criterion and architecture, and each kind of target, go through."""
    (data,) = _run("load_data", {"dataset": {"name": "mnist_5k"}})
    epoch = {"epochs": 1, "batch_size": 500}
    names = [{"name": name} for name in ("simple_net", "lenet_300_100", "lenet_5")]
    trained = {"data": data, "train": epoch, "seed": 1}
    dense, _, convolutional, kept = _run(
        "train",
        *({**trained, "model": name} for name in names),
        {**trained, "model": names[2], "train": {"keep_epoch": 0, **epoch}},
    )
    (tmp_path / "factory_of_a_test.py").write_text(
        "import keras\n"
        "def build(input_shape, classes):\n"
        "    layers = [keras.Input(input_shape), keras.layers.Flatten(),\n"
        "              keras.layers.Dense(classes)]\n"
        "    return keras.Sequential(layers)\n"
    )
    own = [
        {"path": f"{dense['uri'].removeprefix('file://')}/files/model.keras"},
        {"factory": "factory_of_a_test:build"},
    ]
    _run(
        "train",
        *({**trained, "model": model} for model in own),
        PYTHONPATH=str(tmp_path),
        SECATEUR_MODEL_MODULES="factory_of_a_test",
    )
    scored = {"data": data, "model": convolutional, "seed": 1}
    criteria = [c.name for c in BUILT_IN.values() if c.kind != "method"]
    scores = _run(
        "importance",
        *({**scored, "importance": {"criterion": c, "examples": 20}} for c in criteria),
        {**scored, "importance": {"criterion": "magnitude", "pool": "l2"}},
    )
    plain, pooled = scores[criteria.index("magnitude")], scores[-1]
    assert plain["digest"] != pooled["digest"]
    targets = [
        {"ratio": 0.9},
        {"ratio": 0.5, "allocation": "erk"},
        {"ratio": 0.5, "allocation": "lamp", "exclude": ["logits"]},
        {"ratio": 0.5, "pattern": "channel"},
        {"ratio": 0.5, "pattern": "1x4", "allocation": "uniform"},
        {"pattern": "2:4"},
        {"threshold": 0.1},
        {"allocation": {"dense_*": 0.5}},
    ]
    norms = {"data": data, "examples": 20, "seed": 1}
    chosen = {"model": convolutional, "scores": plain, **norms}
    pruned, *_ = _run("prune", *({**chosen, "target": target} for target in targets))
    tuning = {"data": data, "pruned": pruned, "seed": 1}
    taught = {"keep": "best", "distill": {"weight": 0.5, "features": 0.1}, **epoch}
    tuned, *_ = _run(
        "fine_tune",
        {**tuning, "fine_tune": epoch},
        {**tuning, "fine_tune": taught, "teacher": convolutional},
        {**tuning, "fine_tune": epoch, "rewound": epoch, "early": kept},
    )
    compared = {"data": data, "dense": convolutional, "tuned": tuned, "masks": pruned}
    _run("explain", {**compared, "scores": plain, "fits": [convolutional, tuned]})
    _run("prune_shrink", {"model": tuned, "masks": pruned})
    moving = {**epoch, "epochs": 2, "dynamic": {"method": "rigl", "frequency": 3}}
    _run("fine_tune_dynamic", {**tuning, "fine_tune": moving})
    _run("evaluate", *({"data": data, "model": model} for model in (convolutional, tuned)))
    everything = {"formats": ["keras", "litert", "onnx", "saved_model"], "clusters": 64}
    everything |= {"quantize": "int8", "accuracy_drop": 1, "calibration": 20}
    exported = {"data": data, "model": convolutional, "seed": 1}
    dense_files, files = _run(
        "export",
        *({**exported, "export": chosen} for chosen in ({"formats": ["litert"]}, everything)),
    )
    models = {"dense": convolutional, "pruned": tuned}
    _run("measure", {"data": data, **models, "dense_files": dense_files, "pruned_files": files})
    exported_to = f"{files['uri'].removeprefix('file://')}/files/files"
    paths = [f"{exported_to}/model{ending}" for ending in (".keras", ".tflite", ".onnx")]
    _run("evaluate_file", *({"data": data, "path": path} for path in paths))
    _run("prune_kernels", {"model": convolutional, "size": 3})
    calibration = {"importance": {"criterion": "magnitude", "examples": 20}, "seed": 1}
    cuts = [
        {"target": {"ratio": 0.3, "pattern": "channel"}, "scores": plain},
        {"target": {"ratio": 0.3, "pattern": "channel", "measure": "flops"}, "scores": plain},
    ]
    _, cut = _run(
        "prune_structure",
        *({"model": convolutional, "data": data, **calibration, **cut} for cut in cuts),
    )
    slow = {"ratio": 0.3, "pattern": "channel", "measure": "latency", "round_to": 8}
    by_latency = {"target": slow, "scores": plain, **calibration}
    _run("prune_latency", {"model": convolutional, "data": data, **by_latency})
    mending = {
        "data": data,
        "model": convolutional,
        "correct": {"method": "least_squares"},
        "seed": 1,
    }
    _run("correct", *({**mending, "pruned": some} for some in (pruned, cut)))
    rewriting = {"model": convolutional, **norms, **calibration}
    rewriting["importance"] = {"criterion": "sparsegpt", "examples": 20}
    amounts = [{"ratio": 0.5, "allocation": "uniform"}, {"pattern": "2:4"}]
    _run("prune_rewriting", *({**rewriting, "target": target} for target in amounts))
    gradual = {"data": data, "model": convolutional, "fine_tune": epoch, **calibration}
    gradual["target"] = {"ratio": 0.5, "schedule": "gradual", "frequency": 3}
    asked = [{"criterion": name, "examples": 20} for name in ("magnitude", "movement", "fisher")]
    channels = {**gradual["target"], "pattern": "channel"}
    _run(
        "fine_tune_gradual",
        *({**gradual, "importance": importance} for importance in asked),
        {**gradual, "target": channels},
    )
