"""What goes into the key of each stage, and what does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from secateur.correction.config import CorrectConfig
from secateur.datasets.config import DatasetConfig
from secateur.evaluation.machine import machine, runtimes
from secateur.export.config import ExportConfig
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference
from secateur.tasks.correct import correct
from secateur.tasks.evaluate import evaluate
from secateur.tasks.explain import explain
from secateur.tasks.export import export
from secateur.tasks.fine_tune import fine_tune
from secateur.tasks.importance import importance
from secateur.tasks.load_data import load_data
from secateur.tasks.measure import measure
from secateur.tasks.prune import prune
from secateur.tasks.train import train
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig

ROOT = Path(__file__).resolve().parents[2]
RUN = (load_data, train, importance, prune, correct, fine_tune, evaluate, export, measure, explain)
STAGES = {stage.name: stage for stage in RUN}
ALL = set(STAGES)
OUT = {"export", "measure"}


def _reference(name, uri="file:///here"):
    return Reference(key=name * 64, digest=f"content of {name}", uri=uri)


DATA, DENSE, SCORES, PRUNED, TUNED = (_reference(name) for name in "abcdf")
ARGUMENTS = {
    "load_data": {"dataset": DatasetConfig()},
    "train": {"data": DATA, "model": ModelConfig(), "train": TrainConfig(), "seed": 1},
    "importance": {"data": DATA, "model": DENSE, "importance": ImportanceConfig(), "seed": 1},
    "prune": {"model": DENSE, "scores": SCORES, "target": TargetConfig(ratio=0.9)},
    "correct": {
        **{"data": DATA, "model": DENSE, "pruned": PRUNED},
        **{"correct": CorrectConfig(), "seed": 1},
    },
    "fine_tune": {"data": DATA, "pruned": PRUNED, "fine_tune": FineTuneConfig(), "seed": 1},
    "evaluate": {"data": DATA, "model": DENSE},
    "explain": {
        "data": DATA,
        "dense": DENSE,
        "tuned": TUNED,
        "scores": SCORES,
        "masks": PRUNED,
        "fits": [DENSE, TUNED],
    },
    "export": {"data": DATA, "model": PRUNED, "export": ExportConfig(), "seed": 1},
    "measure": {
        "data": DATA,
        "dense": DENSE,
        "pruned": PRUNED,
        "dense_files": _reference("e"),
        "pruned_files": _reference("f"),
    },
}


def _key(name, **changes):
    return STAGES[name].key(**{**ARGUMENTS[name], **changes})


def _keys():
    return {name: _key(name) for name in STAGES}


def _changed(before):
    after = _keys()
    return {name for name in STAGES if after[name] != before[name]}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for package in ("tasks", "secateur"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, root / package, ignore=ignored)
    return root


@pytest.fixture
def tree(copied, monkeypatch):
    """A copy of the code, of which the stages take their digests; edits are taken back."""
    before = {path: path.read_bytes() for path in copied.rglob("*.py")}
    monkeypatch.setattr("secateur.tasks.stage.ROOT", copied)
    yield copied
    for path, text in before.items():
        if path.read_bytes() != text:
            path.write_bytes(text)


def test_a_copy_of_the_code_has_the_same_keys(tree, monkeypatch):
    in_copy = _keys()
    monkeypatch.undo()
    assert _keys() == in_copy


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        *((f"tasks/{name}.py", {name}) for name in STAGES),
        ("tasks/stage.py", ALL),
        ("secateur/store/local.py", ALL),
        ("secateur/datasets/load.py", {"load_data"}),
        ("secateur/datasets/builders/mnist_5k.py", {"load_data"}),
        ("secateur/datasets/dataset.py", ALL),
        ("secateur/models/architectures/simple_net.py", {"train"}),
        ("secateur/models/build.py", {"train"}),
        ("secateur/models/config.py", {"train"}),
        ("secateur/models/files.py", ALL - {"load_data"}),
        ("secateur/models/weights.py", ALL - {"load_data"}),
        ("secateur/training/config.py", {"train"}),
        ("secateur/training/fine_tune_config.py", {"fine_tune"}),
        ("secateur/training/checkpoint.py", {"train", "fine_tune", "export"}),
        ("secateur/training/fit.py", {"train", "fine_tune"}),
        ("secateur/training/distill_config.py", {"fine_tune"}),
        ("secateur/training/distillation.py", {"fine_tune"}),
        (
            "secateur/training/objective.py",
            {"train", "importance", "fine_tune", "evaluate", "export"},
        ),
        ("secateur/importance/config.py", {"importance"}),
        ("secateur/importance/criteria/gradient.py", {"importance"}),
        ("secateur/importance/criteria/wanda.py", {"importance"}),
        ("secateur/importance/gradients/engine.py", {"importance"}),
        ("secateur/importance/scores.py", {"importance", "prune", "explain"}),
        ("secateur/sparsity/masks.py", {"prune", "fine_tune", "explain", "export", "correct"}),
        ("secateur/explanation/changes.py", {"explain"}),
        ("secateur/report/events.py", {"explain"}),
        ("secateur/report/page.py", set()),
        ("secateur/sparsity/config.py", {"prune"}),
        ("secateur/sparsity/select.py", {"prune"}),
        ("secateur/sparsity/hold.py", {"prune", "fine_tune", "export"}),
        ("secateur/correction/correct.py", {"correct"}),
        ("secateur/correction/config.py", {"correct"}),
        ("secateur/training/regularizer_config.py", {"train", "fine_tune"}),
        ("secateur/sparsity/dynamic_config.py", {"fine_tune"}),
        ("secateur/evaluation/accuracy.py", {"evaluate"}),
        ("secateur/evaluation/flop_rules.py", {"evaluate", "export"}),
        ("secateur/evaluation/schema.py", {"evaluate"} | OUT),
        ("secateur/evaluation/latency.py", {"measure"}),
        ("secateur/evaluation/machine.py", OUT),
        ("secateur/evaluation/runtimes/litert.py", OUT),
        ("secateur/evaluation/size.py", {"evaluate"} | OUT),
        ("secateur/export/config.py", {"export"}),
        ("secateur/export/litert.py", {"export"}),
        ("secateur/report/schema.py", set()),
        ("secateur/report/tables.py", set()),
        ("tasks/report.py", set()),
        ("tasks/check.py", set()),
    ],
)
def test_an_edit_reaches_the_stages_that_run_it_and_no_other(file, stages, tree):
    before = _keys()
    path = tree / file
    path.write_text(path.read_text() + "\n_EDITED = 1\n")
    assert _changed(before) == stages


def test_comments_docstrings_and_layout_reach_no_stage(tree):
    before = _keys()
    for path in [*tree.rglob("*.py")]:
        text = path.read_text().replace('"""', '"""Said otherwise. ', 1)
        path.write_text(f"# A comment.\n\n\n{text}\n'''One more docstring.'''  # and a comment\n")
    assert _changed(before) == set()


def test_a_key_is_the_same_wherever_its_inputs_lie_and_whoever_built_them():
    for name, arguments in ARGUMENTS.items():
        moved = {
            argument: value.model_copy(update={"uri": "s3://there", "key": "f" * 64})
            for argument, value in arguments.items()
            if isinstance(value, Reference)
        }
        assert _key(name, **moved) == _key(name)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("load_data", {"dataset": DatasetConfig(validation=0.2)}),
        ("train", {"seed": 2}),
        ("train", {"data": _reference("e")}),
        ("train", {"model": ModelConfig(name="lenet_5")}),
        ("train", {"train": TrainConfig(learning_rate=0.01)}),
        ("importance", {"importance": ImportanceConfig(criterion="taylor")}),
        ("importance", {"importance": ImportanceConfig(pool="l2")}),
        ("importance", {"model": _reference("e")}),
        ("prune", {"target": TargetConfig(ratio=0.8)}),
        ("prune", {"scores": _reference("e")}),
        ("correct", {"model": _reference("e")}),
        ("correct", {"correct": CorrectConfig(method="bias")}),
        ("fine_tune", {"pruned": _reference("e")}),
        ("fine_tune", {"fine_tune": FineTuneConfig(epochs=1)}),
        ("fine_tune", {"fine_tune": FineTuneConfig(distill={"weight": 0.5})}),
        ("fine_tune", {"teacher": DENSE}),
        ("evaluate", {"objective": ObjectiveConfig(metrics=("auc",))}),
        ("train", {"objective": ObjectiveConfig(loss="huber")}),
        ("evaluate", {"model": _reference("e")}),
        ("evaluate", {"data": _reference("e")}),
        ("explain", {"tuned": _reference("e")}),
        ("explain", {"scores": None}),
        ("explain", {"masks": None}),
        ("explain", {"fits": [DENSE, _reference("e")]}),
        ("explain", {"fits": [DENSE]}),
        ("export", {"model": _reference("e")}),
        ("export", {"export": ExportConfig(formats=("litert",))}),
        ("export", {"data": _reference("e")}),
        ("measure", {"pruned_files": _reference("a")}),
        ("measure", {"dense_files": _reference("a")}),
    ],
)
def test_every_input_counts(name, change):
    assert _key(name, **change) != _key(name)


def test_versions_count(monkeypatch):
    before = _keys()
    from secateur.tasks.stage import versions

    newer = {**versions(), "keras": "99.0"}
    monkeypatch.setattr("secateur.tasks.stage.versions", lambda: newer)
    assert _changed(before) == ALL


def test_onednn_turned_on_or_off_counts(monkeypatch):
    from secateur.tasks.stage import versions

    found = []
    for said in ("", "0", "1", "False", "perhaps"):
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", said)
        found.append(versions.__wrapped__().get("onednn"))
    assert found == [None, "off", "on", "off", None]


def test_the_machine_counts_where_something_is_measured(monkeypatch):
    before = _keys()
    elsewhere = {**machine(), "processor": "another"}
    monkeypatch.setattr("secateur.tasks.measure.machine", lambda: elsewhere)
    assert _changed(before) == {"measure"}


def test_the_versions_of_the_runtimes_count_where_files_are_written(monkeypatch):
    before = _keys()
    newer = {**runtimes(), "tf2onnx": "99.0"}
    monkeypatch.setattr("secateur.tasks.export.runtimes", lambda: newer)
    assert _changed(before) == {"export"}


def test_a_users_model_file_counts_by_its_content(tmp_path):
    path = tmp_path / "model.keras"
    config = ModelConfig(path=str(path))
    path.write_bytes(b"one")
    first = _key("train", model=config)
    path.write_bytes(b"two")
    assert _key("train", model=config) != first
    path.write_bytes(b"one")
    assert _key("train", model=config) == first


def test_a_users_factory_counts_with_its_package(tmp_path, monkeypatch):
    package = tmp_path / "models_of_a_user"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "blocks.py").write_text("WIDTH = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = ModelConfig(factory="models_of_a_user.net:build")
    first = _key("train", model=config)
    (package / "blocks.py").write_text("WIDTH = 1  # wide enough\n")
    assert _key("train", model=config) == first
    (package / "blocks.py").write_text("WIDTH = 2\n")
    assert _key("train", model=config) != first


def test_a_criterion_of_another_package_counts_with_that_package(tmp_path, monkeypatch):
    (tmp_path / "criteria_of_a_user.py").write_text("def score(run): return {}\n")
    about = tmp_path / "criteria_of_a_user-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: criteria-of-a-user\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[secateur.criteria]\nmine = criteria_of_a_user:score\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = ImportanceConfig(criterion="mine")
    first = _key("importance", importance=config)
    (tmp_path / "criteria_of_a_user.py").write_text("def score(run): return None\n")
    assert _key("importance", importance=config) != first


def test_prepared_data_that_change_count(tmp_path):
    folder = tmp_path / "cifar10" / "3.0.2"
    folder.mkdir(parents=True)
    (folder / "cifar10-train.tfrecord").write_bytes(b"one")
    config = DatasetConfig(name="cifar10", data_dir=str(tmp_path))
    first = _key("load_data", dataset=config)
    assert _key("load_data", dataset=config) == first
    (folder / "cifar10-train.tfrecord").write_bytes(b"more")
    assert _key("load_data", dataset=config) != first
