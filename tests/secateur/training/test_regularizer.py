"""The group `regularizer`: what it refuses, and that it acts as its parts do."""

import keras
import numpy as np
import pytest
from pydantic import ValidationError

from secateur.datasets.dataset import Split
from secateur.models.weights import prunable_weights
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig
from secateur.training.regularizer_config import RegularizerConfig, check_regularizer


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"penalty": "l0"}, "penalty"),
        ({"penalty": "hard"}, "needs a ratio"),
        ({"penalty": "l1", "ratio": 0.5}, "ratio goes with penalty hard, not with l1"),
        ({"penalty": "hard", "ratio": 1.0}, "less than 1"),
        ({"strength": 0}, "greater than 0"),
        ({"strength": float("nan")}, "finite"),
        ({"growth": 1.5}, "less than or equal to 1"),
        ({"steps": "proximal"}, "steps"),
    ],
)
def test_bad_fields(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        RegularizerConfig(**fields)


def test_what_could_have_no_effect_is_refused():
    l1, hard = RegularizerConfig(penalty="l1"), RegularizerConfig(penalty="hard", ratio=0.5)
    with pytest.raises(ValueError, match=r"train\.regularizer\.penalty l1 .*train\.epochs is 0"):
        check_regularizer(l1, "train", 0, masked=False)
    with pytest.raises(ValueError, match="so do the masks of the target"):
        check_regularizer(hard, "fine_tune", 1, masked=True)
    check_regularizer(l1, "fine_tune", 1, masked=True)
    check_regularizer(hard, "train", 1, masked=False)
    check_regularizer(RegularizerConfig(), "train", 0, masked=False)


def trained(config, folder=None, *callbacks):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(8, activation="relu", name="a")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="b")(hidden))
    random = np.random.default_rng(0)
    x = random.standard_normal((64, 6)).astype("float32")
    split = Split(x, np.argmax(x[:, :3], -1))
    settings = FitConfig(epochs=4, batch_size=8, learning_rate=0.02, regularizer=config)
    fit(model, split, split, settings, seed=1, companions=callbacks, checkpoints=folder)
    return [w.variable.numpy() for w in prunable_weights(model)]


def zeros(weights):
    return sum(int((w == 0).sum()) for w in weights)


class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_each_way_to_act(tmp_path):
    strong = {"penalty": "l1", "strength": 1.0, "growth": 0.5}
    plain, small = (
        trained(RegularizerConfig()),
        trained(RegularizerConfig(**strong, step="gradient")),
    )
    assert zeros(plain) == zeros(small) == 0
    assert sum(np.abs(w).sum() for w in small) < 0.7 * sum(np.abs(w).sum() for w in plain)
    exact = RegularizerConfig(**strong)
    sparse_weights = trained(exact)
    assert zeros(sparse_weights) > 10
    hard = trained(RegularizerConfig(penalty="hard", ratio=0.75))
    assert zeros(hard) == 54  # of 72
    with pytest.raises(KeyboardInterrupt):
        trained(exact, tmp_path, Killed())
    for whole, resumed in zip(sparse_weights, trained(exact, tmp_path), strict=True):
        np.testing.assert_array_equal(whole, resumed)
