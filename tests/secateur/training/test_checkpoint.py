"""The state of a training: all that it changes, written whole or not at all."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from secateur.training.checkpoint import Checkpoint

layers = keras.layers


def _model(dtype="float32", units=3, optimizer="adam"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.BatchNormalization(dtype=dtype),
            layers.Dropout(0.5, seed=1),
            layers.Dense(units, dtype=dtype),
        ]
    )
    model.compile(optimizer, "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def _train(model, times=1):
    rng = np.random.default_rng(0)
    for _ in range(times):
        x = rng.normal(size=(6, 4)).astype(np.float32)
        model.train_on_batch(x, rng.normal(size=(6, model.output_shape[-1])).astype(np.float32))


def _state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [np.asarray(keras.ops.convert_to_numpy(v.value)).tobytes() for v in variables]


@pytest.mark.parametrize(
    ("dtype", "optimizer"), [("float32", "adam"), ("float32", "sgd"), ("bfloat16", "adam")]
)
def test_weights_optimizer_and_dropouts_seed_come_back(dtype, optimizer, tmp_path):
    trained = _model(dtype, optimizer=optimizer)
    _train(trained, 3)
    Checkpoint(tmp_path).save(trained, 3, {"loss": [3.0, 2.0, 1.5]})
    fresh = _model(dtype, optimizer=optimizer)
    assert _state(fresh) != _state(trained)
    assert Checkpoint(tmp_path).restore(fresh) == (3, {"loss": [3.0, 2.0, 1.5]}, {})
    assert _state(fresh) == _state(trained)
    _train(trained)
    _train(fresh)
    assert _state(fresh) == _state(trained)


def test_without_a_checkpoint_training_begins_at_the_start(tmp_path, caplog):
    model = _model()
    before = _state(model)
    assert Checkpoint(tmp_path).restore(model) == (0, {}, {})
    assert _state(model) == before
    assert caplog.text == ""


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped"])
def test_a_damaged_one_is_told_and_leaves_the_model_alone(damage, tmp_path, caplog):
    Checkpoint(tmp_path).save(_model(), 2, {})
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 255
    file.write_bytes({"empty": b"", "cut": content[:-50], "flipped": bytes(content)}[damage])
    model = _model()
    _train(model)
    before = _state(model)
    assert Checkpoint(tmp_path).restore(model) == (0, {}, {})
    assert _state(model) == before
    assert "training starts anew" in caplog.text


@pytest.mark.parametrize("other", [{"units": 5}, {"dtype": "bfloat16"}, {"optimizer": "sgd"}])
def test_one_of_another_model_is_not_taken(other, tmp_path, caplog):
    Checkpoint(tmp_path).save(_model(), 2, {})
    model = _model(**other)
    before = _state(model)
    assert Checkpoint(tmp_path).restore(model) == (0, {}, {})
    assert _state(model) == before
    assert "belongs to another model" in caplog.text


def test_a_kill_while_it_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    model = _model()
    Checkpoint(tmp_path).save(model, 1, {"loss": [1.0]})
    saved = _state(model)
    _train(model)

    def killed(file, **_):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", killed)
    with pytest.raises(KeyboardInterrupt):
        Checkpoint(tmp_path).save(model, 2, {"loss": [1.0, 0.5]})
    fresh = _model()
    assert Checkpoint(tmp_path).restore(fresh) == (1, {"loss": [1.0]}, {})
    assert _state(fresh) == saved


def test_there_is_one_file_however_many_epochs(tmp_path):
    model = _model()
    for epoch in (1, 2, 3):
        Checkpoint(tmp_path).save(model, epoch, {})
    assert len(list(tmp_path.iterdir())) == 1


def test_arrays_beside_the_model_come_back(tmp_path):
    model = _model()
    beside = {"bits": np.arange(5, dtype=np.uint8), "about": np.frombuffer(b"x", np.uint8)}
    Checkpoint(tmp_path).save(model, 2, {"loss": [1.0]}, beside)
    epochs, history, found = Checkpoint(tmp_path).restore(model)
    assert (epochs, history) == (2, {"loss": [1.0]})
    assert found.keys() == beside.keys()
    assert all((found[name] == beside[name]).all() for name in beside)
