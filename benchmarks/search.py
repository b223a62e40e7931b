"""What a search is worth, beside what one would do without it, on mnist_5k.

    python -m benchmarks.search [sensitivity] [grids] [budget] [--runs 10] [--seeds 3] [--write]

sensitivity: the curves of all layers beside a fresh copy of the model for each of their points, by
turns; the ratio of the medians. grids: the cheapest model that `secateur search` finds within a
drop of accuracy beside the cheapest point, by the same rule, of a uniform and of a global grid of
ratios, every model with the same number of trained epochs (resnet_20 with fewer, one seed, and
channels only). budget: how often the model that a quick search of simple_net found keeps its budget
on the test split, which had no part in the search.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.readme import replace_section

PARTS = ("sensitivity", "grids", "budget")
DROP = 0.005
BUDGET = 0.01
EPOCHS = {"resnet_20": (5, 3)}
"""Of training and of fine-tuning, where they are not `USUAL`."""
USUAL = (10, 6)
PATTERNS = (("channel", "flops"), ("weight", "bytes"))
"""Of a large model the first only."""
RATIOS = {
    "channel": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9),
    "weight": (0.5, 0.7, 0.8, 0.9, 0.95, 0.98),
}
"""Points of a grid; the two of them together are about as many as a search has candidates."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=PARTS, help=", ".join(PARTS))
    parser.add_argument("--runs", type=int, default=10, help="quick searches of part budget")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of part grids")
    parser.add_argument("--models", default="lenet_5,resnet_20", help="models of part grids")
    parser.add_argument("--store", help="a folder that keeps results from one call to the next")
    parser.add_argument("--write", action="store_true", help="put the tables into the README")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.environ["SECATEUR_STORE"] = options.store or f"{folder}/store"
        for part in options.parts:
            text = "\n".join(_run(part, options, Path(folder)))
            print(f"\n{part}\n\n{text}")
            if options.write:
                replace_section(f"search-{part}", text)


def _run(part: str, options: argparse.Namespace, folder: Path) -> Iterator[str]:
    if part == "sensitivity":
        yield from sensitivity()
        return
    with _server():
        if part == "grids":
            yield from grids(options.models.split(","), options.seeds, folder)
        else:
            yield from budget(options.runs, folder)


@contextlib.contextmanager
def _server() -> Iterator[None]:
    from secateur.flows.server import prefect_server
    from secateur.tasks.quiet import import_tensorflow

    with prefect_server() as wait_until_ready:
        import_tensorflow()
        wait_until_ready()
        yield


# How long curves take.


def sensitivity() -> Iterator[str]:
    """Rows of a table: seconds of all curves, and of a fresh copy for each point."""
    from secateur.tasks.quiet import import_tensorflow

    import_tensorflow()
    yield "| model, pattern | points | Secateur | a fresh copy a point | ratio |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, pattern, repeats in (
        ("simple_net", "weight", 3),
        ("lenet_5", "weight", 3),
        ("lenet_5", "channel", 3),
        ("resnet_20", "channel", 1),
    ):
        points, ours, fresh = _curves(name, pattern, repeats)
        yield (
            f"| {name}, {pattern} | {points} | {ours:.3g} s | {fresh:.3g} s | "
            f"{fresh / ours:.1f}× faster |"
        )


def _curves(name: str, pattern: str, repeats: int) -> tuple[int, float, float]:
    from secateur.datasets.config import DatasetConfig
    from secateur.datasets.load import materialize
    from secateur.importance.scoring import score
    from secateur.models.build import build_model
    from secateur.models.config import ModelConfig
    from secateur.searching.sensitivity import sensitivity as measure
    from secateur.searching.sensitivity_config import SensitivityConfig
    from secateur.sparsity.config import TargetConfig
    from secateur.training.objective import Objective

    with tempfile.TemporaryDirectory() as folder:
        dataset = materialize(DatasetConfig(), Path(folder))
        model = build_model(ModelConfig(name=name), dataset.shape, dataset.classes)
        loss = Objective().loss(model)
        x, y = dataset.train.arrays()
        model.compile("adam", loss)
        model.fit(x, y, batch_size=32, epochs=3 if name != "resnet_20" else 1, verbose=0)
        scores = score(model, (x, y), "magnitude", loss=loss)
        data, target = dataset.validation.arrays(), TargetConfig(ratio=0.5, pattern=pattern)
        ours, fresh, points = [], [], 0
        for _ in range(repeats):
            start = time.perf_counter()
            found = measure(
                model, scores, target, data, loss=loss, ratios=SensitivityConfig().ratios
            )
            ours.append(time.perf_counter() - start)
            asked = [(c.layer, p.ratio) for c in found.curves for p in c.points]
            points = len(asked)
            start = time.perf_counter()
            for layer, ratio in asked:
                _fresh_copy(model, scores, pattern, layer, ratio, loss, data)
            fresh.append(time.perf_counter() - start)
    return points, statistics.median(ours), statistics.median(fresh)


def _fresh_copy(model, scores, pattern, layer, ratio, loss, data) -> list[float]:
    """One point as one would write it: prune a copy of the model, and evaluate it by Keras."""
    import keras

    from secateur.sparsity.config import TargetConfig
    from secateur.sparsity.hold import apply_masks
    from secateur.sparsity.layout import describe
    from secateur.sparsity.select import select
    from secateur.structure import remove_least

    if pattern == "channel":
        cut = TargetConfig(pattern="channel", allocation={layer: ratio})
        copy = remove_least(model, scores, cut).model
    else:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        chosen = select(scores, TargetConfig(allocation={layer: ratio}), layers=describe(copy))
        apply_masks(copy, chosen)
    copy.compile(loss=loss, metrics=["accuracy"])
    return copy.evaluate(*data, batch_size=256, verbose=0)


# What is found.


def grids(models: list[str], seeds: int, folder: Path) -> Iterator[str]:
    """Rows of a table: for each way the cheapest model within the drop, as means over seeds."""
    yield (
        f"| cheapest within {100 * DROP:g} points on validation | trainings | what is left | "
        "validation | test (dense) |"
    )
    yield "| --- | ---: | ---: | ---: | ---: |"
    for model in models:
        large = model in EPOCHS
        own, asked = range(1 if large else seeds), PATTERNS[: 1 if large else 2]
        for pattern, objective in asked:
            found: dict[str, list[Point]] = {}
            for seed in own:
                out = folder / f"{model}-{pattern}-{seed}"
                for way, point in _ways(model, pattern, objective, seed, out):
                    found.setdefault(way, []).append(point)
            dense = statistics.fmean(point.test for point in found.pop("dense"))
            for way, points in found.items():
                trainings, left, validation, test = (
                    statistics.fmean(values) for values in zip(*points, strict=True)
                )
                yield (
                    f"| {model}, {pattern}, {len(own)} seed{'s' * (len(own) > 1)}: {way} | "
                    f"{trainings:.3g} | {left:.1%} of the {objective} | {validation:.2%} | "
                    f"{test:.2%} ({dense:.2%}) |"
                )


class Point(NamedTuple):
    """A model, how many trainings it took to find it, and the share of the cost that it keeps."""

    trainings: float
    left: float
    validation: float
    test: float


def _common(model: str, seed: int) -> dict[str, Any]:
    trained, tuned = EPOCHS.get(model, USUAL)
    return {
        "model": {"name": model},
        "train": {"epochs": trained},
        "fine_tune": {"epochs": tuned},
        "seed": seed,
    }


def _ways(
    model: str, pattern: str, objective: str, seed: int, out: Path
) -> Iterator[tuple[str, Point]]:
    """The dense model, what a search finds without a margin (a grid has none), and two grids."""
    from secateur.flows.search import search

    report = search(
        budget={"accuracy_drop": DROP + 1e-6},  # a drop of exactly so much is within it
        objective=objective,
        target={"pattern": [pattern]},
        search={"confidence": 0.500001, "fresh_seeds": 1},
        output=out / "search",
        **_common(model, seed),
    )
    dense = Point(0, 1.0, report.dense.validation, report.dense.test)
    yield "dense", dense
    winner, cost = report.winner, report.dense.costs[objective]
    (step,) = report.steps
    trainings = len(step.trials) + 1 + sum(trial.status == "refuted" for trial in step.trials)
    left = winner.costs[objective] / cost
    yield "search", Point(trainings, left, winner.validation.mean, winner.test.mean)
    for allocation in ("uniform", "global"):
        points = [dense, *_grid(model, pattern, objective, seed, allocation, cost, out)]
        kept = [p for p in points if dense.validation - p.validation <= DROP + 1e-9]
        yield (
            f"{allocation} grid",
            min(kept, key=lambda p: p.left)._replace(trainings=len(points) - 1),
        )


def _grid(model, pattern, objective, seed, allocation, cost, out) -> Iterator[Point]:
    """All points of a grid."""
    from secateur.flows.sweep import sweep

    measured = {"flops": "flops", "bytes": "bytes_gzip"}[objective]
    target = {"pattern": pattern, "allocation": allocation}
    if pattern == "channel":
        target["measure"] = "flops"
    report = sweep(
        sweep={"target": {"ratio": list(RATIOS[pattern])}},
        target=target,
        output=out / allocation,
        **_common(model, seed),
    )
    for figures in (variant.figures for variant in report.variants if variant.figures):
        left = figures[measured].mean / cost
        yield Point(1, left, figures["validation"].mean, figures["test"].mean)


def budget(runs: int, folder: Path) -> Iterator[str]:
    """Rows of a table: how often the budget held where nothing was chosen on it."""
    from secateur.flows.search import search

    kept, without, left, margins, sure = 0, 0, [], [], 0
    for seed in range(runs):
        report = search(
            budget={"accuracy_drop": BUDGET},
            output=folder / f"budget-{seed}",
            **_common("simple_net", seed),
        )
        kept += report.kept_on_test
        without += report.winner.test_drop <= BUDGET
        left.append(report.winner.costs["bytes"] / report.dense.costs["bytes"])
        margins.append(report.winner.drop.margin)
        sure += report.winner.certainty >= report.confidence
    yield f"| quick searches of simple_net, drop of {100 * BUDGET:g} point allowed | |"
    yield "| --- | ---: |"
    yield f"| budget kept on the test split by the written model | {kept} of {runs} |"
    yield f"| … by the mean of its fresh seeds | {without} of {runs} |"
    yield f"| sure enough on the validation split (95 %), else the likeliest | {sure} of {runs} |"
    yield f"| bytes left, mean | {statistics.fmean(left):.1%} |"
    yield f"| margin for uncertainty, mean | {100 * statistics.fmean(margins):.2f} points |"


if __name__ == "__main__":
    main()
