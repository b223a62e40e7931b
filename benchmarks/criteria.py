"""Accuracy by criterion and ratio on `mnist_5k`, written into the README.

    python -m benchmarks.criteria [--models simple_net lenet_5] [--seeds 3] [--only wanda] [--print]

Each seed trains a dense model; each criterion scores it once, on the training split; each ratio
then prunes that same dense model and fine-tunes it in the same way. Weights go by allocation
`global`, those of Wanda by `output` (as in its paper) too, those of SparseGPT (without scores) by
`uniform`; channels go by `uniform`, without those of the last layer. About a quarter of an hour on
one core. `--only` prints the rows of some criteria.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import Dataset
from secateur.datasets.load import materialize
from secateur.importance.scoring import score
from secateur.models.architectures import BUILDERS
from secateur.models.weights import prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.hold import HeldMasks
from secateur.sparsity.layout import describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.methods import rewrite
from secateur.sparsity.select import select
from secateur.training.batches import shuffled
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig
from secateur.training.objective import Objective, compile_for

RATIOS = (0.5, 0.8, 0.9, 0.95, 0.98)
EPOCHS, TUNING_EPOCHS, BATCH, RATE = 10, 5, 32, 1e-3
VALIDATION = 0.2
WEIGHTS = (
    *("magnitude", "taylor", "taylor_signed", "fisher", "wanda", "wanda global", "gradient"),
    *("movement", "sparsegpt", "random"),
)
CHANNELS = (
    *("activation", "activation_mean", "apoz", "density", "entropy", "fpgm"),
    *("magnitude", "taylor", "gradient", "random"),
)
ALLOCATIONS = {"wanda": "output", "sparsegpt": "uniform"}
"""Those of weights that are not `global`."""
NAMES = {"taylor_signed": "taylor_signed, snip", "wanda global": "wanda, allocation global"}
"""Snip's scores are the roots of taylor_signed's, up to a factor: the same masks."""
README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- criteria: written by benchmarks/criteria.py -->", "<!-- criteria: end -->"


class Accuracy(NamedTuple):
    """Shares of right answers."""

    validation: float
    test: float


class Bench:
    """A dense model of one seed, on which trials run without being traced anew."""

    def __init__(self, name: str, data: Dataset, seed: int) -> None:
        self.data, self.seed = data, seed
        keras.utils.set_random_seed(seed)
        self.model = BUILDERS[name](data.shape, data.classes)
        config = FitConfig(epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE)
        fit(self.model, data.train, data.validation, config, seed=seed)
        self.dense = self.model.get_weights()
        self.layouts = describe(self.model)
        self.loss = Objective().loss(self.model)
        compile_for(self.model, keras.optimizers.Adam(RATE), steps_per_execution=20)
        self.model.optimizer.build(self.model.trainable_variables)
        self._fresh = [v.numpy() for v in self.model.optimizer.variables]
        shapes = {w.path: tuple(w.variable.shape) for w in prunable_weights(self.model)}
        self._whole = {path: np.ones(shape, np.bool_) for path, shape in shapes.items()}
        self._held = HeldMasks(self.model, Masks(self._whole))
        self._held.attach()
        self._splits = [split.arrays() for split in (data.validation, data.test)]
        self._predict = tf.function(lambda x: tf.argmax(self.model(x, training=False), -1))

    def accuracy(self) -> Accuracy:
        found = [float(np.mean(self._predict(x).numpy() == y)) for x, y in self._splits]
        return Accuracy(*found)

    def restore(self) -> None:
        """The dense model again, with a fresh optimizer."""
        self._held.update(Masks(self._whole))
        self.model.set_weights(self.dense)
        for variable, value in zip(self.model.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)

    def trial(self, masks: Masks) -> tuple[Accuracy, Accuracy]:
        """Before and after fine-tuning."""
        self._held.update(Masks(self._whole | {path: masks[path] for path in masks}))
        before = self.accuracy()
        epoch = tf.Variable(0)
        batches = shuffled(self.data.train, BATCH, self.seed, epoch)
        for number in range(TUNING_EPOCHS):
            epoch.assign(number)
            self.model.fit(batches, shuffle=False, verbose=0)
        return before, self.accuracy()


def trials(
    bench: Bench, pattern: str, only: list[str]
) -> Iterator[tuple[str, float, Accuracy, Accuracy]]:
    """(criterion, ratio, before, after) of all trials of one bench."""
    train = bench.data.train.arrays()
    for criterion in WEIGHTS if pattern == "weight" else CHANNELS:
        name, _, allocation = criterion.partition(" ")
        if only and name not in only:
            continue
        fields = {"pattern": "weight", "allocation": allocation or ALLOCATIONS.get(name, "global")}
        if pattern == "channel":
            fields = {"pattern": "channel", "allocation": "uniform", "exclude": ["logits"]}
        bench.restore()
        scores = None
        if name != "sparsegpt":
            scores = score(bench.model, train, name, loss=bench.loss, seed=bench.seed)
        for ratio in RATIOS:
            bench.restore()
            if scores is None:
                masks = rewrite(bench.model, train, TargetConfig(ratio=ratio, **fields))
            else:
                masks = select(scores, TargetConfig(ratio=ratio, **fields), layers=bench.layouts)
            yield criterion, ratio, *bench.trial(masks)


Results = dict[tuple[str, str, str, float, str], list[Accuracy]]


def run(names: list[str], seeds: int, only: list[str]) -> tuple[Results, dict[str, list[Accuracy]]]:
    """Everything: by (model, pattern, criterion, ratio, before or after) one value a seed."""
    results, dense = defaultdict(list), defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        data = materialize(DatasetConfig(validation=VALIDATION), Path(folder))
        for name in names:
            for seed in range(seeds):
                start = time.monotonic()
                bench = Bench(name, data, seed)
                dense[name].append(bench.accuracy())
                for pattern in ("weight", "channel"):
                    for criterion, ratio, before, after in trials(bench, pattern, only):
                        results[name, pattern, criterion, ratio, "before"].append(before)
                        results[name, pattern, criterion, ratio, "after"].append(after)
                print(f"{name}, seed {seed}: {time.monotonic() - start:.0f} s", flush=True)
    return dict(results), dict(dense)


def _cell(values: list[Accuracy], split: str) -> str:
    percent = 100 * np.array([getattr(value, split) for value in values])
    return f"{percent.mean():.1f}±{percent.std():.1f}"


def table(results: Results, name: str, pattern: str, split: str) -> str:
    """A Markdown table of one model: criteria in rows, ratios in columns."""
    rows = ["| criterion | " + " | ".join(f"{ratio:g}" for ratio in RATIOS) + " |"]
    rows.append("|---|" + "---|" * len(RATIOS))
    criteria = dict.fromkeys(key[2] for key in results if key[:2] == (name, pattern))

    def mean(criterion: str) -> float:
        found = [results[name, pattern, criterion, ratio, "after"] for ratio in RATIOS]
        return float(np.mean([value.validation for values in found for value in values]))

    for criterion in sorted(criteria, key=mean, reverse=True):
        cells = (
            " → ".join(
                _cell(results[name, pattern, criterion, ratio, when], split)
                for when in ("before", "after")
            )
            for ratio in RATIOS
        )
        rows.append(f"| {NAMES.get(criterion, criterion)} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def text(results: Results, dense: dict[str, list[Accuracy]], seeds: int) -> str:
    """The README's section between the markers."""
    parts = [
        f"""Accuracy in percent before → after {TUNING_EPOCHS} epochs of fine-tuning, mean ±
standard deviation of {seeds} seeds, on `mnist_5k`; criteria in the order of their mean validation
accuracy after fine-tuning. The default criterion is the one that is first by it for both models;
test accuracy has no part in any choice.
`python -m benchmarks.criteria` writes these tables."""
    ]
    for name in dense:
        for pattern, what in (("weight", "weights"), ("channel", "channels")):
            for split in ("validation", "test"):
                title = (
                    f"{name}, {what}, {split} accuracy by ratio "
                    f"(dense: {_cell(dense[name], split)})"
                )
                body = table(results, name, pattern, split)
                if (pattern, split) == ("weight", "validation"):
                    parts.append(f"**{title}**\n\n{body}")
                else:
                    summary = f"<summary>{title}</summary>"
                    parts.append(f"<details>{summary}\n\n{body}\n\n</details>")
    return "\n\n".join(parts)


def main() -> None:
    """Runs all trials and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["simple_net", "lenet_5"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[], help="criteria; prints their rows")
    parser.add_argument("--print", action="store_true", help="print, and leave the README alone")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    section = text(*run(options.models, options.seeds, options.only), options.seeds)
    if options.print or options.only:
        print(section)
        return
    readme = README.read_text()
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    if not tail:
        raise SystemExit(f"README.md has no lines {BEGIN} and {END}.")
    README.write_text(f"{head}{BEGIN}\n\n{section}\n\n{END}{tail}")


if __name__ == "__main__":
    main()
