"""The stage `train` apart from training itself."""

from __future__ import annotations

import pytest

from secateur.models.config import ModelConfig
from secateur.store import Reference, open_store
from secateur.tasks.train import train
from secateur.training.config import TrainConfig


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
