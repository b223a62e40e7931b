"""What ways to fine-tune cost beside each other, written to `benchmarks/training.md`.

    python -m benchmarks.training [PAIR ...] [--models simple_net lenet_5] [--rounds 7] [--print]

Both ways of a pair fine-tune the same model by turns, several epochs each, in one process; the
first epoch of each, which traces the step, does not count. An epoch's time is the median of a
turn, a ratio the median of the rounds' ratios. What is measured takes the place of its rows in the
page; other rows stay.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import Dataset
from secateur.datasets.load import materialize
from secateur.models.architectures import BUILDERS
from secateur.models.weights import prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.dynamic import DynamicSparsity, dense_gradients
from secateur.sparsity.dynamic_config import DynamicConfig
from secateur.sparsity.hold import hold
from secateur.sparsity.masks import Masks
from secateur.sparsity.select import select
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig
from secateur.training.regularizer_config import RegularizerConfig

BATCH, EPOCHS, RATIO = 32, 11, 0.9
TARGET = Path(__file__).with_suffix(".md")


class Turn(NamedTuple):
    """One way to fine-tune one model."""

    model: keras.Model
    masks: Masks
    data: Dataset

    @property
    def steps(self) -> int:
        return EPOCHS * math.ceil(len(self.data.train) / BATCH)


Way = Callable[[Turn], Any]
"""Gives a context in which `fit` runs; what it yields are companions, and fields of its config."""


@contextlib.contextmanager
def dense(turn: Turn) -> Iterator[dict]:
    yield {}


@contextlib.contextmanager
def masked(turn: Turn) -> Iterator[dict]:
    with hold(turn.model, turn.masks):
        yield {}


def _dynamic(method: str) -> Way:
    @contextlib.contextmanager
    def way(turn: Turn) -> Iterator[dict]:
        train, loss = turn.data.train, keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        def gradients(step: int) -> dict[str, np.ndarray]:
            chosen = np.random.default_rng(step).choice(len(train), BATCH, replace=False)
            return dense_gradients(turn.model, turn.masks, loss, *train.arrays(np.sort(chosen)))

        config = DynamicConfig(method=method)
        with DynamicSparsity(turn.model, turn.masks, config, turn.steps, gradients) as dynamic:
            yield {"companions": [dynamic]}

    return way


def _regularized(**fields: Any) -> Way:
    @contextlib.contextmanager
    def way(turn: Turn) -> Iterator[dict]:
        with hold(turn.model, turn.masks):
            yield {"regularizer": RegularizerConfig(**fields)}

    return way


class Pair(NamedTuple):
    """Two ways; the ratio of their times is not to be above `goal`, where there is one."""

    way: Way
    beside: Way
    says: str
    goal: float | None = None


PAIRS = {
    "masks": Pair(masked, dense, "masks held / no masks", 1.05),
    "set": Pair(_dynamic("set"), masked, "SET / masks held"),
    "rigl": Pair(_dynamic("rigl"), masked, "RigL / masks held", 1.1),
    "l1": Pair(_regularized(penalty="l1"), masked, "proximal L1 / masks held"),
    "group_lasso": Pair(
        _regularized(penalty="group_lasso"), masked, "proximal group lasso / masks held"
    ),
}


class _Clock(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.times.append(time.perf_counter() - self._start)


def epoch_time(way: Way, turn: Turn, weights: list[np.ndarray]) -> float:
    """Seconds of an epoch, the median of a turn."""
    turn.model.set_weights(weights)
    clock = _Clock()
    with way(turn) as options:
        companions = [*options.pop("companions", ()), clock]
        config = FitConfig(epochs=EPOCHS, batch_size=BATCH, **options)
        splits = turn.data.train, turn.data.validation
        fit(turn.model, *splits, config, seed=0, companions=companions)
    return statistics.median(clock.times[1:])


def measure(names: list[str], pairs: list[str], rounds: int) -> list[list[str]]:
    """A row for each pair and model."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = materialize(DatasetConfig(), Path(folder))
        for name in names:
            keras.utils.set_random_seed(0)
            model = BUILDERS[name](data.shape, data.classes)
            scores = {w.path: np.abs(w.variable.numpy()) for w in prunable_weights(model)}
            turn = Turn(model, select(scores, TargetConfig(ratio=RATIO)), data)
            weights = model.get_weights()
            for pair in (PAIRS[key] for key in pairs):
                times = [
                    [epoch_time(way, turn, weights) for way in (pair.way, pair.beside)]
                    for _ in range(rounds)
                ]
                ratio = statistics.median(mine / other for mine, other in times)
                shown = [1000 * statistics.median(column) for column in zip(*times, strict=True)]
                goal = "" if pair.goal is None else f"≤ {pair.goal:g}"
                figures = [*(f"{ms:.0f} ms" for ms in shown), f"{ratio:.2f}", goal, f"{rounds}"]
                cells = [name, pair.says, *figures]
                rows.append(cells)
                print(" | ".join(cells), flush=True)
    return rows


HEADER = "| model | pair | first | second | ratio | goal | rounds |\n|---|---|--:|--:|--:|--:|--:|"


def text(rows: list[list[str]]) -> str:
    """The page: these rows, and those of the page as it is that were not measured again."""
    known = {}
    if TARGET.exists():
        lines = TARGET.read_text().partition(HEADER)[2].strip().splitlines()
        old = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        known = {(row[0], row[1]): row for row in old}
    known |= {(row[0], row[1]): row for row in rows}
    order = [pair.says for pair in PAIRS.values()]
    kept = sorted(
        (key for key in known if key[1] in order), key=lambda k: (k[0], order.index(k[1]))
    )
    table = "\n".join(f"| {' | '.join(known[key])} |" for key in kept)
    return f"""# What ways to fine-tune cost

Time of an epoch of `mnist_5k` (3,600 examples, batches of {BATCH}) at a ratio of {RATIO:g}, one way
beside the other by turns of {EPOCHS - 1} epochs; medians. `python -m benchmarks.training` writes
this page.

{HEADER}
{table}
"""


def main() -> None:
    """Measures the pairs, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="*", metavar="PAIR", help=f"of {', '.join(PAIRS)}")
    parser.add_argument("--models", nargs="+", default=["simple_net", "lenet_5"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--print", action="store_true", help="print, and leave the page alone")
    options = parser.parse_args()
    unknown = sorted({*options.pairs} - {*PAIRS})
    if unknown:
        parser.error(f"there is no pair {', '.join(unknown)}; there are {', '.join(PAIRS)}")
    rows = measure(options.models, options.pairs or list(PAIRS), options.rounds)
    if not options.print:
        TARGET.write_text(text(rows))


if __name__ == "__main__":
    main()
