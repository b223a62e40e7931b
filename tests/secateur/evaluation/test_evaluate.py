from __future__ import annotations

import gzip

import keras
import numpy as np
import pytest
import zstandard

from secateur.datasets.dataset import Split
from secateur.evaluation.accuracy import measure_accuracy
from secateur.evaluation.counts import count_layers
from secateur.evaluation.evaluate import evaluate_file
from secateur.evaluation.size import file_size
from secateur.models.files import save_model
from secateur.training.objective import Objective


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6,)), keras.layers.Dense(5, name="a"), keras.layers.Dense(3, name="b")]
    model = keras.Sequential(layers)
    kernel = model.layers[0].kernel.numpy()
    kernel[0] = 0
    model.layers[0].kernel.assign(kernel)
    return model


@pytest.fixture
def split():
    rng = np.random.default_rng(0)
    return Split(rng.normal(size=(2500, 6)).astype(np.float32), rng.integers(0, 3, 2500), 1.0)


def test_loss_and_accuracy_are_means_over_single_examples(model, split):
    loss, metrics = measure_accuracy(model, split)
    logits = model(split.x).numpy().astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    picked = shifted[np.arange(2500), split.y] - np.log(np.exp(shifted).sum(axis=1))
    assert loss == pytest.approx(-picked.mean(), rel=1e-5)
    assert metrics["accuracy"] == pytest.approx((logits.argmax(1) == split.y).mean())


def test_counts_leave_out_biases(model):
    first, second = count_layers(model)
    assert (first.parameters, first.nonzero, first.kind) == (30, 25, "Dense")
    assert (second.parameters, second.nonzero, second.sparsity) == (15, 15, 0)


def test_a_file_is_measured_as_it_is_and_by_gzip(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"pruned " * 300_000)
    size = file_size(path)
    assert size.raw == 2_100_000
    assert size.gzip == pytest.approx(len(gzip.compress(path.read_bytes(), 6)), abs=16)


def test_an_evaluation_holds_all_of_it(model, split, tmp_path):
    save_model(model, tmp_path / "model.keras")
    half = Split(split.x[:1250], split.y[:1250], 1.0)
    found = evaluate_file(tmp_path / "model.keras", split, half)
    loss, metrics = measure_accuracy(model, half)
    assert found.validation is not None
    assert (found.validation.loss, found.validation.metrics) == (loss, metrics)
    assert (found.cost.prunable, found.cost.nonzero, found.cost.parameters) == (45, 40, 53)
    assert found.cost.loss == measure_accuracy(model, split)[0]
    assert found.notices == []
    assert found == evaluate_file(tmp_path / "model.keras", split, half)
    assert found.higher
    empty = Split(split.x[:0], split.y[:0], 1.0)
    assert evaluate_file(tmp_path / "model.keras", split, empty).validation is None


def test_of_a_regression_a_lower_metric_is_better(model, split, tmp_path):
    save_model(model, tmp_path / "model.keras")
    numbers = Split(split.x, np.zeros((2500, 3), np.float32), 1.0)
    found = evaluate_file(tmp_path / "model.keras", numbers, numbers, Objective("regression"))
    assert (list(found.cost.metrics), found.higher) == (["mae"], False)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_whose_loss_is_not_finite_is_refused(value, model, split, tmp_path):
    model.layers[1].kernel.assign(np.full((5, 3), value, np.float32))
    save_model(model, tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"loss on the test split is (nan|inf); look for values"):
        evaluate_file(tmp_path / "model.keras", split, split)


def test_what_flops_cannot_be_counted_is_null_and_noticed(model, split, tmp_path, monkeypatch):
    def unknown(_):
        raise ValueError("the layer 'a' is not known.")

    monkeypatch.setattr("secateur.evaluation.flops.total_flops", unknown)
    save_model(model, tmp_path / "model.keras")
    found = evaluate_file(tmp_path / "model.keras", split, split)
    assert found.cost.flops is None
    assert found.notices == ["FLOPs were not counted: the layer 'a' is not known."]


def test_a_folder_is_measured_as_its_files_one_after_another(tmp_path):
    (tmp_path / "model" / "inner").mkdir(parents=True)
    (tmp_path / "model" / "a").write_bytes(b"pruned " * 30_000)
    (tmp_path / "model" / "inner" / "b").write_bytes(b"weights " * 30_000)
    (tmp_path / "both").write_bytes(b"pruned " * 30_000 + b"weights " * 30_000)
    assert file_size(tmp_path / "model") == file_size(tmp_path / "both")


def test_zstd_is_that_of_the_command(tmp_path):
    rng = np.random.default_rng(0)
    content = rng.integers(0, 4, 300_000).astype(np.uint8).tobytes()
    (tmp_path / "file").write_bytes(content)
    expected = len(zstandard.ZstdCompressor(3).compress(content))
    assert file_size(tmp_path / "file").zstd == pytest.approx(expected, abs=16)
