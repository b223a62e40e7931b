"""Accuracy of models that are mended after pruning, written to `benchmarks/correction.md`.

    python -m benchmarks.correction [--models simple_net lenet_5 resnet_20] [--seeds 3]

Each seed trains a dense model. Each ratio prunes that same model by magnitude: single weights
(allocation `global`), and channels (`global`, with the graph). What is pruned is mended in each
way, and then fine-tuned in the same way. `simple_net` and `lenet_5` run on `mnist_5k`, `resnet_20`
on `digits` (8x8 pixels), which is quick to train. Sections of models that are not run stay. The
default of `correct.method` is what the validation accuracy says; test accuracy has no part in it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from benchmarks.criteria import VALIDATION, Accuracy, Bench
from secateur.correction.correct import correct
from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import Dataset
from secateur.datasets.load import materialize
from secateur.importance.scoring import score
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.masks import Masks
from secateur.sparsity.select import select
from secateur.structure.pruning import remove_least
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig

DATA = {"simple_net": "mnist_5k", "lenet_5": "mnist_5k", "resnet_20": "digits"}
RATIOS = {"weights": (0.5, 0.9, 0.95), "channels": (0.3, 0.5)}
METHODS = ("nothing", "batch_norm", "bias", "least_squares")
TUNING_EPOCHS = 5
TARGET = Path(__file__).with_suffix(".md")

Key = tuple[Any, ...]
"""(model, what is pruned, method, ratio, seed), or (model, "dense" or "done", seed)."""


def mend(model: keras.Model, dense: keras.Model, bench: Bench, method: str, **left) -> None:
    """What the stage `correct` does."""
    if method != "nothing":
        how = "none" if method == "batch_norm" else method
        inputs = bench.data.train.arrays()
        correct(model, dense, inputs, method=how, seed=bench.seed, **left)


def copied(model: keras.Model) -> keras.Model:
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def methods(model: keras.Model) -> Iterator[str]:
    """All that differ: without BatchNormalization there is none to measure."""
    norms = any(isinstance(x, keras.layers.BatchNormalization) for x in model.layers)
    return (method for method in METHODS if norms or method != "batch_norm")


def weights(bench: Bench, name: str, trials: Trials) -> None:
    """All ways to mend single weights that are zero."""
    bench.restore()
    dense = copied(bench.model)
    scores = score(bench.model, None, "magnitude")
    for ratio in RATIOS["weights"]:
        masks = select(scores, TargetConfig(ratio=ratio), layers=bench.layouts)
        held = Masks(bench._whole | {path: masks[path] for path in masks})
        for method in methods(dense):
            key = (name, "weights", method, ratio, bench.seed)
            if key not in trials:
                bench.restore()
                bench._held.update(held)
                mend(bench.model, dense, bench, method, masks=held)
                trials.add(key, *bench.trial(masks))


def channels(bench: Bench, name: str, trials: Trials) -> None:
    """All ways to mend a model whose channels are gone."""
    bench.restore()
    dense = copied(bench.model)
    scores = score(dense, None, "magnitude")
    config = FitConfig(epochs=TUNING_EPOCHS)
    for ratio in RATIOS["channels"]:
        for method in methods(dense):
            key = (name, "channels", method, ratio, bench.seed)
            if key not in trials:
                cut = remove_least(dense, scores, TargetConfig(ratio=ratio, pattern="channel"))
                mend(cut.model, dense, bench, method, kept=cut.kept)
                before = accuracy(cut.model, bench.data)
                keras.utils.set_random_seed(bench.seed)
                fit(cut.model, bench.data.train, bench.data.validation, config, seed=bench.seed)
                trials.add(key, before, accuracy(cut.model, bench.data))


def accuracy(model: keras.Model, data: Dataset) -> Accuracy:
    found = []
    for split in (data.validation, data.test):
        x, y = split.arrays()
        found.append(float(np.mean(np.argmax(model(x, training=False), -1) == y)))
    return Accuracy(*found)


class Trials:
    """What was measured, a line of JSON for each trial in a file: a killed run goes on from it.

    Args:
        file: The file, which may be there already; None to keep nothing.
    """

    def __init__(self, file: Path | None):
        self._file = file
        lines = file.read_text().splitlines() if file and file.exists() else []
        self._found = {tuple(key): values for key, values in map(json.loads, lines)}

    def __contains__(self, key: Key) -> bool:
        return key in self._found

    def add(self, key: Key, *values: Accuracy) -> None:
        """Keeps accuracies: of a dense model, or of one before and after fine-tuning."""
        self._found[key] = values
        shown = " -> ".join(f"{value.validation:.3f}" for value in values)
        print(" ".join(map(str, key)), shown, flush=True)
        if self._file:
            with self._file.open("a") as lines:
                lines.write(json.dumps([key, values]) + "\n")

    def of(self, *key: Any) -> list[list[Accuracy]]:
        """The values of all seeds."""
        found = [values for known, values in self._found.items() if known[:-1] == key]
        return [[Accuracy(*value) for value in values] for values in found]


def run(names: list[str], seeds: int, trials: Trials) -> None:
    """Runs what is missing."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            place = Path(folder, name)
            place.mkdir()
            config = DatasetConfig(name=DATA[name], validation=VALIDATION)
            data = materialize(config, place)
            for seed in range(seeds):
                if (name, "done", seed) in trials:
                    continue
                bench = Bench(name, data, seed)
                if (name, "dense", seed) not in trials:
                    trials.add((name, "dense", seed), bench.accuracy())
                weights(bench, name, trials)
                channels(bench, name, trials)
                trials.add((name, "done", seed))


def _cell(values: list[Accuracy], split: str) -> str:
    percent = 100 * np.array([getattr(value, split) for value in values])
    return f"{percent.mean():.1f}±{percent.std():.1f}"


def table(trials: Trials, name: str, split: str) -> str:
    """A Markdown table of one model: methods in rows, ratios in columns."""
    columns = [(what, ratio) for what, ratios in RATIOS.items() for ratio in ratios]
    rows = ["| mended by | " + " | ".join(f"{what} {ratio:g}" for what, ratio in columns) + " |"]
    rows.append("|---|" + "---|" * len(columns))
    for method in METHODS:
        found = [trials.of(name, what, method, ratio) for what, ratio in columns]
        if any(found):
            cells = (
                " → ".join(_cell(list(values), split) for values in zip(*some, strict=True))
                for some in found
            )
            rows.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def section(trials: Trials, name: str) -> str:
    """What the page says of one model."""
    dense = [values[0] for values in trials.of(name, "dense")]
    parts = [f"## {name} on {DATA[name]}, seeds: {len(dense)}"]
    for split in ("validation", "test"):
        title = f"{split.capitalize()} accuracy (dense: {_cell(dense, split)}):"
        parts.append(f"{title}\n\n{table(trials, name, split)}")
    return "\n\n".join(parts)


def page(sections: dict[str, str]) -> str:
    """The page: these sections, and those of models that were not measured again."""
    if TARGET.exists():
        old = TARGET.read_text().strip().split("\n## ")[1:]
        sections = {text.split()[0]: f"## {text.strip()}" for text in old} | sections
    head = f"""# Mended after the cut

Accuracy in percent right after pruning → after {TUNING_EPOCHS} epochs of fine-tuning, mean ±
standard deviation over the seeds; `python -m benchmarks.correction` writes this page. Training
inputs alone are looked at to mend: no labels. `batch_norm` measures the statistics of
BatchNormalization anew; `bias` and `least_squares` do that as well."""
    return "\n\n".join([head, *(sections[name] for name in DATA if name in sections)]) + "\n"


def main() -> None:
    """Runs all trials and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--results", type=Path, help="a file that a killed run goes on from")
    parser.add_argument("--print", action="store_true", help="print, and leave the page alone")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    trials = Trials(options.results)
    run(options.models, options.seeds, trials)
    text = page({name: section(trials, name) for name in options.models})
    if options.print:
        print(text)
    else:
        TARGET.write_text(text)


if __name__ == "__main__":
    main()
