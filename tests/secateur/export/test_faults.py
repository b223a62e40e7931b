"""With each fault of an export put back, the proof at run time reports it."""

from __future__ import annotations

import contextlib
import importlib

import keras
import numpy as np
import pytest

from secateur.export import aware, exporting, writing
from secateur.export.config import ExportConfig
from secateur.export.exporting import Measures, export_model
from secateur.graph import copied
from secateur.models.weights import prunable_weights
from secateur.proof import ProofError
from tests.secateur.export import models

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
MEASURES = Measures(lambda: [keras.metrics.SparseCategoricalAccuracy("accuracy")], LOSS)
clustering = importlib.import_module("secateur.export.clustering")


def model():
    """Zeros, a square kernel, and BatchNorm away from where it begins."""
    made = models.convolutional(zeros=0.5)
    norm = next(x for x in made.layers if isinstance(x, keras.layers.BatchNormalization))
    norm.moving_mean.assign(np.linspace(-1, 1, 8))
    norm.moving_variance.assign(np.linspace(0.5, 2, 8))
    return made


def first_kernel(part):
    return next((x.kernel for x in part.layers if hasattr(x, "kernel")), None)


def other_weights(part):
    kernel = first_kernel(part)
    kernel.assign(-kernel)


def turned_kernel(part):
    kernel = first_kernel(part)
    kernel.assign(np.swapaxes(np.array(kernel), 0, 1))


def lost_statistics(part):
    for layer in part.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.zeros(8))
            layer.moving_variance.assign(np.ones(8))


def broken(part, fault):
    copy = copied(part)
    if first_kernel(copy) is not None:
        fault(copy)
    copy(np.zeros((1, 8, 8, 1)))  # Keras exports only what was called
    return copy


def export(dataset, folder, **options):
    return export_model(model(), dataset, ExportConfig(**options), folder, MEASURES)


@pytest.mark.parametrize(
    ("format", "place"),
    [
        ("litert", "convert"),
        ("onnx", "_export"),
        ("saved_model", "_export"),
        ("keras", "save_model"),
    ],
)
@pytest.mark.parametrize("fault", [other_weights, turned_kernel, lost_statistics])
def test_a_file_of_other_weights_is_reported(dataset, tmp_path, monkeypatch, fault, format, place):
    right = getattr(writing, place)
    monkeypatch.setattr(
        writing, place, lambda m, *rest, **more: right(broken(m, fault), *rest, **more)
    )
    with pytest.raises(ProofError, match=f"exported {format} differs") as stopped:
        export(dataset, tmp_path, formats=(format,))
    assert "\n" not in str(stopped.value)


def test_the_layer_is_named(dataset, tmp_path, monkeypatch):
    """A converter that gets a kind of layer wrong, in every model that has one."""
    right = writing.convert

    def wrong(given, **options):
        copy = copied(given)
        for layer in copy._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.epsilon = 0.5
        return right(copy, **options)

    monkeypatch.setattr(writing, "convert", wrong)
    name = next(x.name for x in model().layers if isinstance(x, keras.layers.BatchNormalization))
    with pytest.raises(ProofError, match=f"from the layer '{name.rstrip('_0123456789')}"):
        export(dataset, tmp_path, formats=("litert",))


def changes_a_bias(given, clusters, seed):
    right_clustering(given, clusters, seed)
    given.layers[-1].bias.assign(given.layers[-1].bias + 1e-6)


def fills_zeros(given, clusters, seed):
    right_clustering(given, clusters, seed)
    kernel = given.layers[-1].kernel
    values = np.array(kernel)
    kernel.assign(np.where(values == 0, values.max(), values))


def keeps_too_many(given, clusters, seed):
    right_clustering(given, clusters + 1, seed)


def takes_the_farthest(given, clusters, seed):
    right_clustering(given, clusters, seed)
    kernel = given.layers[-1].kernel
    values = np.array(kernel)
    low, high = values.min(), values.max()
    kernel.assign(np.where(values == low, high, np.where(values == high, low, values)))


right_clustering = clustering.cluster_weights


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (changes_a_bias, "bias' of the clustered .* other values"),
        (fills_zeros, "zero at other places"),
        (keeps_too_many, "holds 9 values, where 8"),
        (takes_the_farthest, "not the nearest"),
    ],
)
def test_a_fault_of_clustering_is_reported(dataset, tmp_path, monkeypatch, fault, said):
    options = {"clusters": 8, "accuracy_drop": 1.0}
    _, _, checks = export(dataset, tmp_path, **options)
    assert any("4 kernels hold at most 8 values" in check.statement for check in checks)
    monkeypatch.setattr(exporting, "cluster_weights", fault)
    with pytest.raises(ProofError, match=said):
        export(dataset, tmp_path, **options)


def test_training_for_quantization_that_loses_zeros_is_reported(dataset, monkeypatch):
    checks: list = []
    options = {"epochs": 1, "learning_rate": 1e-3}
    aware.fine_tune_quantized(model(), dataset.train, LOSS, checks=checks, **options)
    assert [check.subject for check in checks] == ["copy", "masks"]
    monkeypatch.setattr(aware, "hold", lambda *_: contextlib.nullcontext())
    with pytest.raises(ProofError, match="not zero after quantization-aware fine-tuning"):
        aware.fine_tune_quantized(model(), dataset.train, LOSS, **options)


def dense():
    """The model that was pruned, as it was before: as good, but another one."""
    other = model()
    random = np.random.default_rng(0)
    for weight in prunable_weights(other):
        value = np.array(weight.variable)
        weight.variable.assign(value + 0.3 * value.std() * random.normal(size=value.shape))
    return other


@pytest.mark.parametrize("kind", ["dynamic_int8", "int8", "float16", "int16x8"])
def test_a_quantized_file_of_another_model_is_reported(dataset, tmp_path, monkeypatch, kind):
    options = {"formats": ("litert",), "quantize": kind, "accuracy_drop": 1.0, "aware_epochs": 0}
    _, _, checks = export(dataset, tmp_path, **options)
    assert checks[-1].difference <= 0.5 * checks[-1].tolerance
    right = exporting.write_litert
    monkeypatch.setattr(exporting, "write_litert", lambda m, *rest: right(dense(), *rest))
    with pytest.raises(ProofError, match="of their spread away"):
        export(dataset, tmp_path, **options)
