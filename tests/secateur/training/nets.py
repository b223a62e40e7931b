"""A small data set and model that the tests of training share."""

from __future__ import annotations

import keras
import numpy as np

from secateur.datasets.dataset import Split
from secateur.models.weights import prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import describe
from secateur.sparsity.select import select
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig

layers = keras.layers


def split(count=50, seed=0, kind="classification"):
    """Four numbers an example; three classes, yes or no, two labels, or two numbers."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype(np.float32)
    total, first = x.sum(1), x[:, 0]
    y = {
        "classification": np.digitize(total, [-1, 1]).astype(np.int64),
        "binary": (total > 0).astype(np.int64),
        "multi_label": np.stack([total > 0, first > 0], 1).astype(np.float32),
        "regression": np.stack([total, first], 1).astype(np.float32),
    }[kind]
    return Split(x, y, 1.0)


OUTPUTS = {"classification": 3, "binary": 1, "multi_label": 2, "regression": 2}


def net(outputs=3, activation=None, seed=0, dropout=0.2):
    """Two hidden layers, the first with BatchNorm."""
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((4,), name="input"),
            layers.Dense(8, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Dropout(dropout, name="dropout"),
            layers.Dense(6, activation="tanh", name="second"),
            layers.Dense(outputs, activation=activation, name="last"),
        ],
        name="net",
    )


def fitted(model, epochs, folder=None, kind="classification", **options):
    """Trains on `split`; fields of the config among the options."""
    fields = {name: options.pop(name) for name in FitConfig.model_fields if name in options}
    config = FitConfig(**{"batch_size": 8, "learning_rate": 0.02, **fields, "epochs": epochs})
    data = (split(kind=kind), split(20, 1, kind))
    return fit(model, *data, config, **{"seed": 5, "checkpoints": folder, **options})


def half(model):
    """Masks that remove half of the weights."""
    scores = {w.path: np.abs(w.variable.numpy()) for w in prunable_weights(model)}
    return select(scores, TargetConfig(ratio=0.5), layers=describe(model))
