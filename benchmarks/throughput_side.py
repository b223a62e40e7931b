"""One side of `benchmarks.throughput`: trains a model, an epoch each time it is told to.

    python -m benchmarks.throughput_side SIDE MODEL

The side `keras` is Keras as a user starts it: `compile` and `fit` on arrays, `keras_16` the same
with 16 steps an execution; neither imports anything of how this package trains. It reads a line
from standard input before each epoch, and prints the examples a second in it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

EPOCHS = 1000  # as many as it is told to
BATCH = 32
LENGTH, VOCABULARY = 64, 2000


def resnet_20() -> keras.Model:
    from secateur.models.architectures.resnet import resnet_20

    return resnet_20((32, 32, 3), 10)


def lenet_5() -> keras.Model:
    from secateur.models.architectures.lenet import lenet_5

    return lenet_5((28, 28, 1), 10)


def mobilenet() -> keras.Model:
    return keras.applications.MobileNetV2((96, 96, 3), weights=None, classes=10)


def text_transformer() -> keras.Model:
    from secateur.models.architectures.text import text_transformer

    return text_transformer(LENGTH, VOCABULARY, 10)


MODELS: dict[str, tuple[Callable[[], keras.Model], int]] = {
    "resnet_20": (resnet_20, 320),
    "MobileNetV2": (mobilenet, 96),
    "lenet_5": (lenet_5, 3200),
    "text_transformer": (text_transformer, 640),
}
"""Builder, and examples of an epoch."""


class Turns(keras.callbacks.Callback):
    """Waits for a line before each epoch, and tells how many examples a second it trained on."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def on_epoch_begin(self, epoch, logs=None):
        if not sys.stdin.readline().strip():
            os._exit(0)  # nobody waits for more
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        print(self._count / (time.perf_counter() - self._begin), flush=True)


def examples(model: keras.Model, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs, images as bytes, and classes."""
    rng = np.random.default_rng(0)
    shape = model.inputs[0].shape[1:]
    if "int" in model.inputs[0].dtype:
        x = rng.integers(0, VOCABULARY, (count, *shape)).astype("int32")
    else:
        x = rng.integers(0, 256, (count, *shape)).astype("uint8")
    return x, rng.integers(0, 10, count)


def by_keras(model: keras.Model, x: np.ndarray, y: np.ndarray, steps: int) -> None:
    """What a user types."""
    if x.dtype == np.uint8:
        x = x.astype("float32") / 255
    softmax = getattr(model.layers[-1], "activation", None) is keras.activations.softmax
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not softmax)
    model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=steps)
    while True:
        # An epoch a call: while this side waits, no tuner of tf.data sleeps so long that the end of
        # the epoch would have to wait for it.
        model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[Turns(len(y))])


def by_secateur(model: keras.Model, x: np.ndarray, y: np.ndarray, masked: bool) -> None:
    """How this package trains: dense, or with 90 % of the weights held at zero."""
    import contextlib

    from secateur.datasets.dataset import Split
    from secateur.models.weights import prunable_weights
    from secateur.sparsity.config import TargetConfig
    from secateur.sparsity.hold import hold
    from secateur.sparsity.layout import describe
    from secateur.sparsity.select import select
    from secateur.training.fit import fit
    from secateur.training.fit_config import FitConfig

    scale = 1 / 255 if x.dtype == np.uint8 else None
    held = contextlib.nullcontext()
    if masked:
        scores = {w.path: np.abs(w.variable.numpy()) for w in prunable_weights(model)}
        held = hold(model, select(scores, TargetConfig(ratio=0.9), layers=describe(model)))
    config = FitConfig(epochs=EPOCHS, batch_size=BATCH)
    with held:
        empty = Split(x[:0], y[:0], scale)
        fit(model, Split(x, y, scale), empty, config, seed=0, companions=[Turns(len(y))])


SIDES: dict[str, Callable[[keras.Model, np.ndarray, np.ndarray], None]] = {
    "keras": lambda model, x, y: by_keras(model, x, y, 1),
    "keras_16": lambda model, x, y: by_keras(model, x, y, 16),
    "dense": lambda model, x, y: by_secateur(model, x, y, False),
    "held": lambda model, x, y: by_secateur(model, x, y, True),
}


def main(side: str, name: str) -> None:
    keras.utils.set_random_seed(0)
    build, count = MODELS[name]
    model = build()
    SIDES[side](model, *examples(model, count))


if __name__ == "__main__":
    main(*sys.argv[1:])
