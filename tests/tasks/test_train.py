"""The stage `train` apart from training itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from secateur.datasets.dataset import Dataset
from secateur.models.config import ModelConfig
from secateur.store import Reference, digest_of, open_store
from secateur.training.config import TrainConfig
from tasks.train import train


@pytest.fixture
def data():
    """A small data set in the store."""
    key = digest_of("a small data set")
    rng = np.random.default_rng(0)
    with open_store().build(key, stage="load_data") as build:
        for name in ("train", "validation", "test"):
            np.save(build.directory / f"{name}_x.npy", rng.normal(size=(20, 4)).astype(np.float32))
            np.save(build.directory / f"{name}_y.npy", np.arange(20) % 3)
        info = {"name": "small", "shape": [4], "classes": 3, "scale": 1.0}
        (build.directory / "info.json").write_text(json.dumps(info))
        build.commit(Dataset(build.directory).fingerprint())
    return build.artifact.reference


def _train(data: Reference, **arguments):
    given = {"data": data, "model": ModelConfig(), "train": TrainConfig(epochs=1), "seed": 1}
    return train.task.fn(**{**given, **arguments}, refresh=True)


def test_layers_without_names_are_the_same_model_in_every_run(data, tmp_path, monkeypatch):
    (tmp_path / "net_without_names.py").write_text(
        "import keras\n"
        "def build(shape, classes):\n"
        "    inputs = keras.Input(shape)\n"
        "    x = keras.layers.Dense(5, activation='relu')(inputs)\n"
        "    return keras.Model(inputs, keras.layers.Dense(classes)(x))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "net_without_names")
    model = ModelConfig(factory="net_without_names:build")
    digests = {_train(data, model=model).digest for _ in range(2)}
    assert len(digests) == 1
    assert _train(data, model=model, seed=2).digest not in digests


def test_a_file_is_trained_further_only_where_epochs_are_given(data):
    dense = _train(data)
    path = str(open_store().get(dense.key).directory / "model.keras")
    taken = _train(data, model=ModelConfig(path=path), train=TrainConfig(epochs=0))
    assert taken.digest == dense.digest
    assert _train(data, model=ModelConfig(path=path)).digest != dense.digest


def test_a_training_that_diverges_names_the_setting(data):
    with pytest.raises(ArithmeticError, match=r"in epoch 1; lower train\.learning_rate \(1e\+38\)"):
        _train(
            data,
            train=TrainConfig.model_construct(epochs=9, batch_size=2, learning_rate=1e38),
        )
