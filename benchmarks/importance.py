"""Scores beside what they cost at least: per-example gradients, and `wanda` on a Transformer.

    python -m benchmarks.importance [--repeats 5] [--only gradient wanda]

`gradient` is exact for each example. It is compared with a `GradientTape` an example, timed on a
share of the examples and scaled up, and with one ordinary backward pass over the same examples in
batches of the same size, eager (as `gradient` itself runs: it watches the layers) and compiled.
`wanda` is compared with a forward pass. Runs alternate, and the fastest of each are compared;
compilation is not counted, nor is the trial of the closed forms that a model has once.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from secateur.importance.data import Examples
from secateur.importance.gradients.passes import TRIAL, Passes
from secateur.importance.run import Run
from secateur.importance.scoring import score
from secateur.models.architectures import BUILDERS
from secateur.models.weights import prunable_weights

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SHARE = 20
"""One example in so many goes through the per-example loop."""


def alternate(work: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least seconds of each function, after one run that does not count; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for number in range(repeats + 1):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: min(some) for name, some in times.items()}


def chosen_batch(model: keras.Model, data: Any, streamed: bool) -> int:
    """The batch size that `score` chooses for this model."""
    run = Run(model, prunable_weights(model), data=data, loss=LOSS)
    passes = Passes(run)
    first = run.first(1 if streamed else TRIAL)
    with passes.installed():
        return passes.batch_size(passes.forward(first), first.size, streamed=streamed)


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images and labels of the size of MNIST."""
    random = np.random.default_rng(0)
    return random.random((count, 28, 28, 1), np.float32), random.integers(0, 10, count)


def loop(model: keras.Model, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Σ_i |∂L_i/∂w| with a tape for each example: slow and obvious."""
    variables = [w.variable.value for w in prunable_weights(model)]
    sums = [np.zeros(tuple(v.shape)) for v in variables]
    for i in range(len(y)):
        with tf.GradientTape() as tape:
            loss = LOSS(y[i : i + 1], model(x[i : i + 1], training=False))
        for total, gradient in zip(sums, tape.gradient(loss, variables), strict=True):
            total += np.abs(gradient.numpy())
    return sums


def backward(model: keras.Model, data: Any, size: int, compiled: bool) -> Callable[[], object]:
    """One ordinary backward pass over all examples, summed."""
    variables = [w.variable.value for w in prunable_weights(model)]

    def gradients(x: Any, y: Any) -> list[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss = LOSS(y, model(x, training=False)) * tf.cast(tf.shape(y)[0], tf.float32)
        return tape.gradient(loss, variables)

    step = tf.function(gradients, reduce_retracing=True) if compiled else gradients

    def run() -> list[np.ndarray]:
        sums = [np.zeros(tuple(v.shape)) for v in variables]
        for batch in Examples(data).batches(size):
            for total, gradient in zip(sums, step(batch.x, batch.y), strict=True):
                total += gradient.numpy()
        return sums

    return run


def gradient_line(name: str, count: int, repeats: int) -> str:
    """A line on `gradient` for one of the built-in models."""
    keras.utils.set_random_seed(0)
    model = BUILDERS[name]((28, 28, 1), 10)
    x, y = images(count)
    size = chosen_batch(model, (x, y), streamed=False)
    few = count // SHARE
    wanted = loop(model, x[:few], y[:few])
    scores = score(model, (x[:few], y[:few]), "gradient", loss=LOSS)
    for found, sums in zip(scores.values(), wanted, strict=True):
        # Rounding can tip the maximum of a pooling, or a ReLU, of some example.
        np.testing.assert_allclose(found, sums, rtol=1e-2, atol=1e-4 * sums.max())
    seconds = alternate(
        {
            "score": lambda: score(model, (x, y), "gradient", loss=LOSS),
            "eager": backward(model, (x, y), size, compiled=False),
            "compiled": backward(model, (x, y), size, compiled=True),
        },
        repeats,
    )
    slow = alternate({"loop": lambda: loop(model, x[:few], y[:few])}, 1)["loop"] * SHARE
    return (
        f"gradient, {name}, {count:,} examples in batches of {size}: {_ms(seconds['score'])}; "
        f"a tape an example: {slow:.1f} s, {slow / seconds['score']:.0f}x as long; "
        + _beside(seconds, "backward")
    )


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.1f} ms"


def _beside(seconds: dict[str, float], what: str) -> str:
    """How a score compares with the ordinary pass, in both of its modes."""
    return f"one {what} pass: " + ", ".join(
        f"{_ms(seconds[mode])} {mode} ({seconds['score'] / seconds[mode]:.2f}x)"
        for mode in ("eager", "compiled")
    )


def transformer(blocks: int = 16, width: int = 512, length: int = 128) -> keras.Model:
    """A classifier of sequences with 50 million weights in its blocks."""
    layer = keras.layers
    x = inputs = keras.Input((length, width))
    for _ in range(blocks):
        y = layer.LayerNormalization()(x)
        y = layer.MultiHeadAttention(num_heads=8, key_dim=width // 8)(y, y)
        x = layer.Add()([x, y])
        y = layer.LayerNormalization()(x)
        y = layer.Dense(width)(layer.Dense(4 * width, activation="gelu")(y))
        x = layer.Add()([x, y])
    return keras.Model(inputs, layer.Dense(10)(layer.GlobalAveragePooling1D()(x)))


def wanda_line(examples: int, repeats: int) -> str:
    """A line on `wanda` for the Transformer."""
    keras.utils.set_random_seed(0)
    model = transformer()
    x = np.random.default_rng(0).standard_normal((examples, *model.input_shape[1:]), np.float32)
    size = chosen_batch(model, (x, None), streamed=True)
    compiled = tf.function(lambda part: model(part, training=False), reduce_retracing=True)

    def forward(call: Callable[[Any], Any]) -> None:
        for batch in Examples((x, None)).batches(size):
            call(batch.x).numpy()

    seconds = alternate(
        {
            "score": lambda: score(model, (x, None), "wanda"),
            "eager": lambda: forward(lambda part: model(part, training=False)),
            "compiled": lambda: forward(compiled),
        },
        repeats,
    )
    weights = sum(w.variable.value.shape.num_elements() for w in prunable_weights(model))
    return (
        f"wanda, Transformer of {weights / 1e6:.1f} million weights, {examples} sequences in "
        f"batches of {size}: {_ms(seconds['score'])}; " + _beside(seconds, "forward")
    )


def main() -> None:
    """Prints a line for each measurement, and the goals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--examples", type=int, default=4000)
    parser.add_argument("--sequences", type=int, default=64)
    parser.add_argument("--only", nargs="+", default=["gradient", "wanda"])
    options = parser.parse_args()
    if "gradient" in options.only:
        for name, goal in (
            ("simple_net", ">= 200x the loop, <= 1.5x a backward pass"),
            ("lenet_5", ">= 20x the loop, <= 3x a backward pass"),
        ):
            print(gradient_line(name, options.examples, options.repeats), f"(goal: {goal})")
    if "wanda" in options.only:
        print(wanda_line(options.sequences, options.repeats), "(goal: <= 1.5x)")


if __name__ == "__main__":
    main()
