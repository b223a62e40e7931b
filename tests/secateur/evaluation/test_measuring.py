"""Files of several models in their runtimes, measured beside each other."""

from __future__ import annotations

from importlib import metadata

import keras
import numpy as np
import pytest

from secateur.evaluation import latency
from secateur.evaluation.litert_latency import litert_latency
from secateur.evaluation.machine import cores, machine
from secateur.evaluation.measuring import measure_files
from secateur.evaluation.memory import peak_memory
from secateur.export.litert import convert


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A wide and a narrow model: a Keras file and a LiteRT file each."""
    folder = tmp_path_factory.mktemp("files")
    found = {}
    for name, width in (("wide", 2000), ("narrow", 8)):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(width), keras.layers.Dense(width), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input((100,)), *layers])
        model.save(folder / f"{name}.keras")
        (folder / f"{name}.tflite").write_bytes(convert(model))
        found[name] = {"keras": folder / f"{name}.keras", "litert": folder / f"{name}.tflite"}
    return found


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(32, 100)).astype(np.float32)


def test_each_runtime_number_of_threads_and_batch_is_measured(files, x, monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0.05)
    found = measure_files(files, x)
    threads = {1, cores()}
    names = {f"litert-{n}" for n in threads} | {f"keras-{cores()}"}
    for measured in found.values():
        assert set(measured.latency_ms) == names | {f"{name}-batch32" for name in names}
        assert all(t.p10 <= t.median <= t.p90 for t in measured.latency_ms.values())
        assert set(measured.memory) == {"litert"}
    wide, narrow = found["wide"].latency_ms, found["narrow"].latency_ms
    assert wide["litert-1"].median > 3 * narrow["litert-1"].median
    # Four million weights of four bytes.
    assert found["wide"].memory["litert"] - found["narrow"].memory["litert"] > 8e6


def test_a_file_that_no_runtime_loads_has_no_memory(tmp_path, x):
    (tmp_path / "broken.tflite").write_bytes(b"not a model")
    assert peak_memory(tmp_path / "broken.tflite", x) is None


def test_a_machine_is_told_by_name_processor_and_versions():
    found = machine()
    assert {"host", "processor"} < set(found)
    assert found["cores"] == cores() >= 1
    assert found["tensorflow"] == metadata.version("tensorflow")
    assert found["ai-edge-litert"] == metadata.version("ai-edge-litert")


def test_models_can_be_compared_without_files():
    models = {}
    for name, width in (("wide", 1000), ("narrow", 8)):
        layers = [keras.layers.Dense(width), keras.layers.Dense(width), keras.layers.Dense(2)]
        models[name] = keras.Sequential([keras.Input((100,)), *layers])
    found = litert_latency(models, seconds=0.05)
    assert found["wide"].median > 3 * found["narrow"].median
