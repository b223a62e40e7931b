"""Random networks, cut and trained with oneDNN: no process dies, and each learns as without it.

    python -m benchmarks.onednn_networks [--networks 1000] [--seed 0]

Draws residual networks with strided 1x1 convolutions, some transposed, cuts a random share of their
channels, and trains what is left as `train` does: with oneDNN and a checked heap, all instructions
of the processor and AVX2 alone, one thread and two by turns, and without oneDNN. The losses of
the two are compared, and how far each weight moved.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections import Counter
from typing import Any

from benchmarks.onednn import CHECKED_HEAP

A_PROCESS = 25  # networks
EPOCHS = 2
TOLERANCE = 0.02  # of a weight's way, and a thousandth of the longest: where gradients cancel out


def network(rng: random.Random) -> Any:
    """A residual network of random depth, widths and strides; classes of small images."""
    import keras
    from keras import layers

    x = image = keras.Input((rng.randint(12, 34), rng.randint(12, 34), rng.randint(1, 4)))
    x = layers.Conv2D(rng.randint(4, 24), 3, padding="same")(x)
    for _ in range(rng.randint(1, 3)):
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        width, stride = rng.randint(4, 40), rng.choice((2, 2, 3))
        short = layers.Conv2D(width, 1, strides=stride, padding=rng.choice(("same", "valid")))(x)
        x = layers.Conv2D(width, 3, strides=stride, padding="same", activation="relu")(x)
        x = layers.Add()([layers.Conv2D(width, 3, padding="same")(x), short])
        if rng.random() < 0.2:
            x = layers.Conv2DTranspose(rng.randint(4, 20), 1, strides=2)(x)
    x = layers.GlobalAveragePooling2D()(layers.Activation("relu")(x))
    return keras.Model(image, layers.Dense(5)(x))


def trained(number: int) -> tuple[list[float], int]:
    """What became of a cut network, and how many of its convolutions are of the kind.

    The first are the losses of the epochs, and how far each weight moved, summed.
    """
    import keras
    import numpy as np

    from secateur import structure
    from secateur.datasets.dataset import Split
    from secateur.models.strided import failing
    from secateur.models.weights import prunable_weights
    from secateur.training.fit import fit
    from secateur.training.fit_config import FitConfig

    rng = random.Random(number)
    keras.backend.clear_session()
    keras.utils.set_random_seed(number)
    model = network(rng)
    values = np.random.default_rng(number)
    scores = {
        w.path: values.random(w.variable.shape, dtype=np.float32) for w in prunable_weights(model)
    }
    graph = structure.analyse(model)
    removal = structure.choose(graph, scores, ratio=rng.uniform(0.2, 0.7))
    small = structure.remove(model, removal)
    count = rng.randint(20, 60)
    x = values.normal(size=(count, *small.inputs[0].shape[1:])).astype("float32")
    data = Split(x, values.integers(0, 5, count))
    config = FitConfig(epochs=EPOCHS, batch_size=rng.choice((4, 16, 32)), learning_rate=0.01)
    before = small.get_weights()
    history = fit(
        small, data, Split(x[:0], data.y[:0]), config, seed=number, optimizer=keras.optimizers.SGD
    )
    kind = 0
    for layer in small.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
            turned = isinstance(layer, keras.layers.Conv2DTranspose)
            channels = layer.filters if turned else layer.input.shape[-1]
            kind += failing(layer.kernel_size, layer.strides, channels)
    moved = zip(small.get_weights(), before, strict=True)
    return [*history["loss"], *(float(np.abs(a - b).sum()) for a, b in moved)], kind


def losses(numbers: range, **variables: str) -> dict[int, tuple[list[float], int]]:
    """What `trained` gives in a process of its own, of as many networks as it lived for."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    command = [sys.executable, "-m", "benchmarks.onednn_networks", "--train"]
    done = subprocess.run(
        [*command, str(numbers.start), str(numbers.stop)],
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {number: (loss, kind) for number, loss, kind in found}


def compare(networks: int, seed: int) -> Counter[str]:
    """Trains networks both ways; counts and prints what differs."""
    counts: Counter[str] = Counter()
    heap = {"MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "171"}
    if CHECKED_HEAP.exists():
        heap["LD_PRELOAD"] = str(CHECKED_HEAP)
    for turn, start in enumerate(range(seed, seed + networks, A_PROCESS)):
        numbers = range(start, min(start + A_PROCESS, seed + networks))
        how = heap | ({"ONEDNN_MAX_CPU_ISA": "AVX2"} if turn % 2 else {})
        how["TF_NUM_INTRAOP_THREADS"] = str(1 + turn // 2 % 2)
        found = losses(numbers, **how)
        exact = losses(numbers, TF_ENABLE_ONEDNN_OPTS="0")
        for number in numbers:
            counts["networks"] += 1
            if number not in found or number not in exact:
                print(f"network {number} or one before it: the process died, {how}", flush=True)
                counts["died"] += 1
                break
            (ways, kind), (wanted, _) = found[number], exact[number]
            counts["with such a convolution"] += kind > 0
            near = 1e-3 * max(wanted)
            pairs = zip(ways, wanted, strict=True)
            if not all(abs(a - b) <= TOLERANCE * abs(b) + near for a, b in pairs):
                print(f"network {number}: {ways}, without oneDNN {wanted}", flush=True)
                counts["other than without oneDNN"] += 1
        print(dict(counts), flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        for number in range(*options.train):
            print(json.dumps([number, *trained(number)]), flush=True)
    else:
        compare(options.networks, options.seed)


if __name__ == "__main__":
    main()
