"""tensorflow-model-optimization on the dense models of `benchmarks.accuracy`.

    PYTHON benchmarks/accuracy_peer.py FOLDER RATIO,RATIO…

Runs in a virtual environment of its own; it imports nothing of this project. Each line of
`FOLDER/peer.jsonl` is one result; those that are there are not computed again. As its guide says:
`prune_low_magnitude`, `PolynomialDecay` from 0 over the first 60 % of the steps (an update an
epoch, so that the last one falls on its end), Adam 1e-3, 10 epochs.
"""

import json
import math
import os
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras as keras

EPOCHS, BATCH = 10, 32
layers = keras.layers


def build(name: str) -> keras.Model:
    """The architectures of `secateur.models.architectures`."""
    model = [layers.InputLayer((28, 28, 1))]
    if name == "lenet_5":
        model += [layers.Conv2D(6, 5, padding="same", activation="relu"), layers.MaxPooling2D(2)]
        model += [layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(2)]
    widths = {"simple_net": (64, 32), "lenet_300_100": (300, 100), "lenet_5": (120, 84)}[name]
    model += [layers.Flatten(), *(layers.Dense(width, activation="relu") for width in widths)]
    return keras.Sequential([*model, layers.Dense(10)])


def tuned(model: keras.Model, ratio: float, seed: int, x: np.ndarray, y: np.ndarray) -> keras.Model:
    """The model pruned and fine-tuned."""
    keras.utils.set_random_seed(seed)
    steps = math.ceil(len(x) / BATCH)
    end = 6 * steps  # 60 % of 10 epochs
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, ratio, 0, end, frequency=steps)
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=schedule)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    wrapped.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    update = tfmot.sparsity.keras.UpdatePruningStep()
    wrapped.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0, callbacks=[update])
    return tfmot.sparsity.keras.strip_pruning(wrapped)


def accuracy(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """Share of right answers."""
    return float((model.predict(x, batch_size=1000, verbose=0).argmax(-1) == y).mean())


def main() -> None:
    folder = Path(sys.argv[1])
    data = dict(np.load(folder / "data.npz"))
    out = folder / "peer.jsonl"
    lines = out.read_text().splitlines() if out.exists() else []
    done = {tuple(json.loads(line)[k] for k in ("model", "seed", "ratio")) for line in lines}
    for path in sorted(folder.glob("*-*.npz")):
        name, _, seed = path.stem.rpartition("-")
        for ratio in map(float, sys.argv[2].split(",")):
            if (name, int(seed), ratio) in done:
                continue
            keras.backend.clear_session()
            model = build(name)
            with np.load(path) as weights:
                model.set_weights([weights[key] for key in weights.files])
            final = tuned(model, ratio, int(seed), data["train_x"], data["train_y"])
            kernels = [w for w in final.get_weights() if w.ndim > 1]
            zeros = sum(int((w == 0).sum()) for w in kernels) / sum(w.size for w in kernels)
            result = {"model": name, "seed": int(seed), "ratio": ratio, "sparsity": zeros}
            result |= {s: accuracy(final, data[f"{s}_x"], data[f"{s}_y"]) for s in ("test",)}
            with out.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(result, flush=True)


if __name__ == "__main__":
    main()
