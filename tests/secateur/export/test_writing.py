"""Each format does in its own runtime what Keras does, and zeros stay zero."""

from __future__ import annotations

import contextlib
from pathlib import Path

import keras
import numpy as np
import pytest

from secateur.evaluation.runtimes import open_model
from secateur.evaluation.runtimes.runner import take
from secateur.export import writing
from secateur.export.quantization import QUANTIZATIONS
from secateur.export.writing import FILES, write, write_litert
from tests.secateur.export import models

MODELS = {
    "convolutional": models.convolutional,
    "recurrent": models.recurrent,
    "two_inputs": models.two_inputs,
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("format", FILES)
def test_a_file_gives_what_keras_gives_for_any_number_of_examples(kind, format, tmp_path):
    model = MODELS[kind]()
    x = models.inputs(model)
    runner = open_model(write(model, format, tmp_path).path)
    for count in (40, 3, 1):
        some = take(x, slice(count))
        np.testing.assert_allclose(runner.predict(some), model(some), rtol=1e-4, atol=1e-5)
    assert set(tmp_path.iterdir()) == {tmp_path / FILES[format]}


def _kernels(path: Path) -> dict[tuple[int, ...], list[np.ndarray]]:
    """The constants of a LiteRT file, by shape."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    found: dict[tuple[int, ...], list[np.ndarray]] = {}
    for detail in interpreter.get_tensor_details():
        if "int" in str(detail["dtype"]) or detail["dtype"] is np.float16:
            with contextlib.suppress(ValueError):  # of what lies between two operations
                value = interpreter.get_tensor(detail["index"])
                found.setdefault(value.shape, []).append(value)
    return found


@pytest.mark.parametrize("quantize", QUANTIZATIONS)
def test_quantized_files_are_close_and_keep_each_zero(quantize, tmp_path):
    model = models.convolutional(zeros=0.5)
    x = models.inputs(model)
    written = write_litert(model, tmp_path / "model.tflite", quantize, x)
    assert (written.name, written.quantized) == (f"litert-{quantize}", True)
    expected = np.asarray(model(x))
    close = {"float16": 0.01, "int16x8": 0.02}.get(quantize, 0.05)
    off = np.abs(open_model(written.path).predict(x) - expected).max()
    assert off <= close * np.abs(expected).max()
    if written.sparse:
        return  # the sparse encoding holds what is not zero, and nothing else
    stored = _kernels(written.path)
    checked = 0
    for weight in model.trainable_weights:
        value = weight.numpy()
        if value.ndim == 4:
            value = value.transpose(3, 0, 1, 2)
        elif value.ndim == 2:
            value = value.T
        for tensor in stored.get(value.shape, []) if value.ndim > 1 else []:
            assert np.all(tensor[value == 0] == 0)
            assert np.count_nonzero(tensor) > 0.9 * np.count_nonzero(value)
            checked += 1
    # Dynamic quantization leaves kernels of less than 1,024 weights as they are.
    assert checked >= (2 if quantize == "dynamic_int8" else 4)


def test_sparse_encoding_is_used_where_it_is_smaller(tmp_path):
    dense = write_litert(models.convolutional(), tmp_path / "dense.tflite")
    sparse = write_litert(models.convolutional(zeros=0.95), tmp_path / "sparse.tflite")
    assert (dense.sparse, sparse.sparse) == (False, True)
    assert sparse.path.stat().st_size < 0.4 * dense.path.stat().st_size
    model = models.convolutional(zeros=0.95)
    x = models.inputs(model)
    np.testing.assert_allclose(open_model(sparse.path).predict(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("quantize", QUANTIZATIONS)
def test_no_file_is_written_that_its_runtime_cannot_load(quantize, tmp_path):
    """LiteRT refuses the sparse encoding of integer kernels."""
    model = models.convolutional(zeros=0.95)
    x = models.inputs(model)
    written = write_litert(model, tmp_path / "model.tflite", quantize, x)
    assert written.sparse == (quantize == "float16")
    assert np.isfinite(open_model(written.path).predict(x)).all()


def test_a_recurrent_model_is_said_to_take_one_example_at_a_time(tmp_path):
    written = write(models.recurrent(), "litert", tmp_path)
    (notice,) = written.notices
    assert "one example at a time" in notice
    assert open_model(written.path).batch == 1


class _Sorted(keras.layers.Layer):
    """An operation of TensorFlow that LiteRT and ONNX do not have."""

    def call(self, x):
        import tensorflow as tf

        return tf.raw_ops.Igamma(a=tf.abs(x) + 1.0, x=tf.abs(x))


@pytest.mark.parametrize(("format", "named"), [("litert", "Igamma"), ("onnx", "Igamma")])
def test_an_operation_that_a_format_does_not_have_is_named(format, named, tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), _Sorted()])
    with pytest.raises(ValueError, match=f"(?s){named}.*export.formats") as caught:
        write(model, format, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_a_model_too_large_for_a_format_is_refused(format, tmp_path, monkeypatch):
    monkeypatch.setattr("secateur.export.litert.LIMIT", 1000)
    monkeypatch.setattr(writing, "_PROTOBUF", 1000)
    with pytest.raises(ValueError, match=r"weights take [\d,]+ bytes.*at most 1,000"):
        write(models.convolutional(), format, tmp_path)
    assert list(tmp_path.iterdir()) == []
