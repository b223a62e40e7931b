"""Every file is loaded again and checked; one that does something else fails."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.evaluation.runtimes.keras import Keras
from secateur.export import exporting
from secateur.export.checking import (
    ExportMismatchError,
    check_exact,
    check_quantized,
    largest_difference,
    metrics_of,
)
from secateur.export.config import ExportConfig
from secateur.export.exporting import Measures, export_model
from secateur.models.files import load_model
from tests.secateur.export import models


def metrics():
    return [keras.metrics.SparseCategoricalAccuracy("accuracy")]


MEASURES = Measures(metrics, keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def test_a_record_of_each_file_says_how_it_does_on_the_test_split(dataset, tmp_path):
    config = ExportConfig(formats=("keras", "litert", "onnx"), quantize="dynamic_int8")
    model = models.convolutional()
    records, notices, checks = export_model(model, dataset, config, tmp_path, MEASURES)
    assert [(r.name, r.file) for r in records] == [
        ("keras", "model.keras"),
        ("litert", "model.tflite"),
        ("onnx", "model.onnx"),
        ("litert-dynamic_int8", "model_dynamic_int8.tflite"),
    ]
    assert notices == []
    assert [check.subject for check in checks] == ["file"] * 5  # of the quantized one two
    assert all(check.difference <= check.tolerance for check in checks)
    assert [r.metrics["accuracy"] for r in records[:3]] == pytest.approx([0.9] * 3, abs=1e-6)
    assert records[3].metrics["accuracy"] == pytest.approx(0.9, abs=0.05)
    assert all(r.max_difference < 1e-5 for r in records[:3])
    assert records[3].max_difference > records[1].max_difference
    assert [r.bytes.raw for r in records] == [(tmp_path / r.file).stat().st_size for r in records]


def test_a_file_that_gives_something_else_fails(dataset, tmp_path, monkeypatch):
    def other(model, format, folder):
        return written(models.convolutional(zeros=0.5), format, folder)

    written = exporting.write
    monkeypatch.setattr(exporting, "write", other)
    config = ExportConfig(formats=("litert",))
    with pytest.raises(ExportMismatchError, match="litert differs from the Keras model by"):
        export_model(models.convolutional(), dataset, config, tmp_path, MEASURES)


def test_metrics_are_those_of_all_examples(dataset, monkeypatch):
    monkeypatch.setattr("secateur.export.checking._ROWS", 70)
    runner = Keras(models.convolutional())
    assert metrics_of(runner, dataset.test, metrics)["accuracy"] == pytest.approx(0.9)


def test_outputs_may_differ_by_rounding_alone():
    theirs = np.array([[100.0, 1.0]])
    check_exact("onnx", 0.09, theirs)
    with pytest.raises(ExportMismatchError, match=r"differs.*by 0.11.*at most 0.1"):
        check_exact("onnx", 0.11, theirs)
    assert largest_difference("onnx", theirs + np.array([[0.25, -0.5]]), theirs) == 0.5


@pytest.mark.parametrize(
    ("ours", "why"), [(np.zeros((1, 3)), "shape"), (np.array([[np.nan, 0.0]]), "not finite")]
)
def test_outputs_of_another_kind_fail(ours, why):
    with pytest.raises(ExportMismatchError, match=why):
        largest_difference("onnx", ours, np.zeros((1, 2)))


def test_quantization_may_lose_what_is_allowed():
    check_quantized("litert-int8", {"accuracy": 0.90}, {"accuracy": 0.91}, 0.011)
    check_quantized("litert-int8", {"mae": 1.02}, {"mae": 1.0}, 0.03, higher=False)
    with pytest.raises(ExportMismatchError, match=r"accuracy 0\.8900.*0\.9100.*int16x8"):
        check_quantized("litert-int8", {"accuracy": 0.89}, {"accuracy": 0.91}, 0.011)
    with pytest.raises(ExportMismatchError, match=r"mae 1\.0500"):
        check_quantized("litert-int8", {"mae": 1.05}, {"mae": 1.0}, 0.03, higher=False)


def test_clustered_files_hold_few_values_and_the_model_stays_as_it_is(dataset, tmp_path):
    model = models.convolutional()
    before = [weight.numpy() for weight in model.weights]
    config = ExportConfig(formats=("keras", "litert"), clusters=32, accuracy_drop=0.1)
    export_model(model, dataset, config, tmp_path, MEASURES)
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.weights, strict=True))
    exported = load_model(tmp_path / "model.keras")
    kernels = [w.numpy() for w in exported.trainable_weights if len(w.shape) > 1]
    assert all(len(np.unique(kernel)) <= 32 for kernel in kernels)
    config = ExportConfig(formats=("keras",), clusters=1, accuracy_drop=0.0)
    with pytest.raises(ExportMismatchError, match="keep more clusters"):
        export_model(model, dataset, config, tmp_path, MEASURES)


def test_a_model_that_quantization_harms_is_trained_for_it(dataset, tmp_path, monkeypatch):
    """The first quantized file is made of another model; that of the tuned one passes."""
    made = []

    def harmed(model, path, quantize, x):
        made.append(model)
        source = models.convolutional(zeros=0.99) if len(made) == 1 else model
        return written(source, path, quantize, x)

    written = exporting.write_litert
    monkeypatch.setattr(exporting, "write_litert", harmed)
    config = ExportConfig(formats=("litert",), quantize="int8", accuracy_drop=0.1, aware_epochs=1)
    model = models.convolutional()
    records, (notice,), _ = export_model(model, dataset, config, tmp_path, MEASURES)
    assert "fine-tuned for 1 epochs with quantized kernels" in notice
    assert made[0] is model
    assert made[1] is not model
    assert records[-1].metrics["accuracy"] > 0.75
    made.clear()
    config = config.model_copy(update={"aware_epochs": 0})
    with pytest.raises(ExportMismatchError, match="litert-int8 has the accuracy"):
        export_model(model, dataset, config, tmp_path, MEASURES)
