"""Structure: the time of analysis and cut beside Keras's clone, and latency beside FLOPs removed.

    python -m benchmarks.structure [clone] [depth] [latency] [--repeats 15]

`clone`: ResNet50 analysed, half of its FLOPs removed, beside `clone_model` and a copy of the
weights. `depth`: the same for residual networks of up to 1,000 layers. `latency`: cut models in
LiteRT (one and two threads) and in Keras. What is compared takes turns in one run; times are
medians, ratios the medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from secateur import structure
from secateur.evaluation import litert
from secateur.models.architectures.resnet import resnet_20
from tests.secateur.structure import zoo
from tests.secateur.structure.reference import batch, magnitude

CLONE_GOAL = 2.0
"""Times the clone's time, for analysis and cut of ResNet50."""
SPEED_GOAL = 1.6
"""Times faster in LiteRT, at half the FLOPs."""
SHARES = (0.25, 0.5, 0.75)
ROUND_TO = 16
"""XNNPACK computes 16 channels at a time: a width of 17 takes as long as one of 32."""

L = keras.layers


def take_turns(work: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each function in each round."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return times


def ratio(above: list[float], below: list[float]) -> float:
    """Median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def analysis_and_cut(model: keras.Model, repeats: int) -> tuple[dict[str, list[float]], int]:
    """Times of the clone, of the analysis (groups and prices too), and of both it and the cut."""
    graph = structure.analyse(model)
    removed = structure.choose(graph, magnitude(model), ratio=0.5, measure="flops").removed

    def clone() -> None:
        keras.models.clone_model(model).set_weights(model.get_weights())

    def analyse() -> Any:
        graph = structure.analyse(model)
        assert graph.groups
        return graph

    def cut() -> None:
        structure.remove(model, structure.Removal(analyse(), removed))

    work = {"clone": clone, "analysis": analyse, "analysis and cut": cut}
    take_turns(work, 1)
    return take_turns(work, repeats), len(graph.groups)


def clone(repeats: int) -> None:
    times, _ = analysis_and_cut(keras.applications.ResNet50(weights=None), repeats)
    print("## ResNet50: analysis and cut beside a clone\n")
    for name, some in times.items():
        print(f"{name:18} {statistics.median(some):7.3f} s")
    share = ratio(times["analysis and cut"], times["clone"])
    print(f"\nanalysis and cut / clone: {share:.2f} (goal: at most {CLONE_GOAL})\n")


def deep(layers: int) -> keras.Model:
    """Residual blocks of two convolutions with BatchNorm: `layers` convolutions in all."""
    x = inputs = keras.Input((8, 8, 8))
    for _ in range(layers // 2):
        y = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(x)))
        y = L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(y))
        x = L.ReLU()(L.Add()([x, y]))
    return keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


def depth(repeats: int) -> None:
    sys.setrecursionlimit(20_000)  # Keras follows a model's graph by recursion
    print("## Growth with depth: milliseconds, and milliseconds a layer\n")
    print(f"{'layers':>6} {'groups':>6} {'clone':>18} {'analysis':>18} {'analysis and cut':>18}")
    for layers in (125, 250, 500, 1000):
        times, groups = analysis_and_cut(deep(layers), min(repeats, 5))
        row = [1000 * statistics.median(some) for some in times.values()]
        cells = " ".join(f"{ms:9.0f} ({ms / layers:6.3f})" for ms in row)
        print(f"{layers:6} {groups:6} {cells}", flush=True)
    print()


def vit() -> keras.Model:
    """Six blocks of width 192 with three heads, on 196 patches: a ViT-Tiny of half the depth."""
    return zoo.vit(depth=6, width=192, heads=3, size=112)


MODELS: dict[str, Callable[[], keras.Model]] = {
    "resnet_20": lambda: resnet_20((32, 32, 3), 10),
    "MobileNetV2": lambda: keras.applications.MobileNetV2((128, 128, 3), weights=None),
    "ViT": vit,
}


def cut_to(model: keras.Model, share: float) -> structure.Removal:
    """The lowest magnitudes of each group, the same share of all, to widths of whole vectors."""
    return structure.choose(
        structure.analyse(model),
        magnitude(model),
        ratio=share,
        measure="flops",
        allocation="uniform",
        kinds=("channel", "head", "width"),
        round_to=ROUND_TO,
    )


def in_keras(model: keras.Model, x: Any) -> Callable[[], object]:
    run = tf.function(lambda y: model(y, training=False))
    run(x)
    return lambda: run(x)


def in_litert(content: bytes, x: Any, threads: int) -> Callable[[], object]:
    runner = litert.Runner(content, threads)
    runner(x)
    return runner.invoke


def latency(repeats: int) -> None:
    print("## Latency of one example against FLOPs removed; every point beside the dense model\n")
    print("| model | FLOPs removed | LiteRT, 1 thread | LiteRT, 2 threads | Keras |")
    print("|---|--:|--:|--:|--:|")
    for name, build in MODELS.items():
        dense = build()
        models = {"dense": dense}
        gone = {"dense": 0.0}
        for share in SHARES:
            removal = cut_to(dense, share)
            key = f"{share:.0%}"
            models[key] = structure.remove(dense, removal)
            gone[key] = 1 - removal.flops / removal.graph.flops()
        x = tf.constant(batch(dense, 1))
        files = {key: litert.convert(model) for key, model in models.items()}
        columns = [
            {key: in_litert(files[key], x.numpy(), threads) for key in models} for threads in (1, 2)
        ]
        columns.append({key: in_keras(model, x) for key, model in models.items()})
        times = []
        for work in columns:
            take_turns(work, 3)
            times.append(take_turns(work, repeats))
        for key in models:
            cells = [
                f"{1000 * statistics.median(some[key]):.2f} ms, "
                f"{ratio(some['dense'], some[key]):.2f}×"
                for some in times
            ]
            print(f"| {name} | {gone[key]:.0%} | {' | '.join(cells)} |", flush=True)
        half = ratio(times[0]["dense"], times[0]["50%"])
        verdict = "met" if half >= SPEED_GOAL else "missed"
        print(f"<!-- {name}: {half:.2f}× at half the FLOPs; goal {SPEED_GOAL}×: {verdict} -->")


def main() -> None:
    """Prints what was asked for, or all of it."""
    parts = {"clone": clone, "depth": depth, "latency": latency}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=[])
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    np.random.seed(0)
    keras.utils.set_random_seed(0)
    for name in options.parts or parts:
        parts[name](options.repeats)


if __name__ == "__main__":
    main()
