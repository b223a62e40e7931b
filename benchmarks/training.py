"""What ways to fine-tune cost: each beside the same fine-tuning without it.

    python -m benchmarks.training [--repeats 5] [--write]

The pairs take turns in one process; a figure is the ratio of the median seconds of an epoch,
tracing left out. `--write` puts the table into `benchmarks/training.md`.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from benchmarks.readme import replace_section
from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import Dataset
from secateur.datasets.load import materialize
from secateur.models.architectures import BUILDERS
from secateur.models.weights import prunable_weights
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.dynamic import DynamicSparsity, dense_gradients
from secateur.sparsity.dynamic_config import DynamicConfig
from secateur.sparsity.hold import hold
from secateur.sparsity.layout import describe
from secateur.sparsity.masks import Masks
from secateur.sparsity.select import select
from secateur.training.distill_config import DistillConfig
from secateur.training.distillation import taught_by
from secateur.training.fit import fit
from secateur.training.fit_config import FitConfig
from secateur.training.objective import Objective

EPOCHS = 6
MODELS = ("simple_net", "lenet_300_100", "lenet_5")
Way = Callable[[keras.Model, Masks, Dataset], contextlib.AbstractContextManager[dict[str, Any]]]


@contextlib.contextmanager
def plain(model: keras.Model, masks: Masks, data: Dataset) -> Iterator[dict[str, Any]]:
    """Neither masks nor a teacher."""
    yield {}


@contextlib.contextmanager
def held(model: keras.Model, masks: Masks, data: Dataset) -> Iterator[dict[str, Any]]:
    """Masks held."""
    with hold(model, masks):
        yield {}


@contextlib.contextmanager
def taught(model: keras.Model, masks: Masks, data: Dataset) -> Iterator[dict[str, Any]]:
    """Masks held, and the dense model teaches by its logits."""
    teacher = keras.models.clone_model(model)
    teacher.set_weights(model.get_weights())
    with hold(model, masks):
        yield {"around": taught_by(teacher, DistillConfig(weight=0.9), Objective())}


def moving(method: str) -> Way:
    """Masks that move while the model trains."""

    @contextlib.contextmanager
    def way(model: keras.Model, masks: Masks, data: Dataset) -> Iterator[dict[str, Any]]:
        train, size = data.train, FitConfig().batch_size
        loss = Objective().loss(model)

        def gradients(step: int) -> dict[str, np.ndarray]:
            chosen = np.random.default_rng(step).choice(len(train), size, replace=False)
            return dense_gradients(model, masks, loss, *train.arrays(np.sort(chosen)))

        steps = EPOCHS * math.ceil(len(train) / size)
        with DynamicSparsity(
            model, masks, DynamicConfig(method=method), steps, gradients
        ) as dynamic:
            yield {"companions": [dynamic]}

    return way


def regularized(penalty: str) -> Way:
    """Masks held, and proximal steps of a penalty."""

    @contextlib.contextmanager
    def way(model: keras.Model, masks: Masks, data: Dataset) -> Iterator[dict[str, Any]]:
        with hold(model, masks):
            yield {"config": FitConfig(epochs=EPOCHS, regularizer={"penalty": penalty})}

    return way


PAIRS: dict[str, tuple[Way, Way]] = {
    "masks held": (held, plain),
    "distillation": (taught, held),
    "RigL": (moving("rigl"), held),
    "SET": (moving("set"), held),
    "proximal L1": (regularized("l1"), held),
    "proximal group lasso": (regularized("group_lasso"), held),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--write", action="store_true", help="put the table into training.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = materialize(DatasetConfig(), Path(folder))
        table = compare(data, options.repeats, options.models)
    print(table)
    if options.write:
        page = Path(__file__).resolve().parent / "training.md"
        replace_section("training", table, page)


def compare(data: Dataset, repeats: int, models: Sequence[str]) -> str:
    """The table in Markdown."""
    lines = [
        f"| an epoch with … takes times | {' | '.join(models)} |",
        f"|---|{'--:|' * len(models)}",
    ]
    for label, (way, base) in PAIRS.items():
        cells = []
        for name in models:
            seconds: dict[Way, list[float]] = {way: [], base: []}
            for _ in range(repeats):
                for each in seconds:
                    seconds[each].append(epoch(name, data, each))
            medians = [statistics.median(seconds[each]) for each in (way, base)]
            cells.append(f"{medians[0] / medians[1]:.2f}")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def epoch(name: str, data: Dataset, way: Way) -> float:
    """Median seconds of an epoch after the first."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = BUILDERS[name](data.shape, data.classes)
    scores = {w.path: np.abs(w.variable.numpy()) for w in prunable_weights(model)}
    masks = select(scores, TargetConfig(ratio=0.9), layers=describe(model))
    ends: list[float] = []

    def progress(done: float, _: dict[str, float]) -> None:
        if done == int(done) and len(ends) < done:
            ends.append(time.perf_counter())

    with way(model, masks, data) as options:
        given = {"config": FitConfig(epochs=EPOCHS), "seed": 0, **options}
        fit(model, data.train, data.validation, progress=progress, **given)
    return statistics.median(np.diff(ends))


if __name__ == "__main__":
    main()
