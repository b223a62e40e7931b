"""What a search is worth, beside what one would do without it, on mnist_5k.

    python -m benchmarks.search [sensitivity] [grids] [budget] [--runs 10] [--seeds 3] [--write]

sensitivity: the curves of all layers beside a fresh copy of the model for each of their points, by
turns; the ratio of the medians. grids: lenet_5, the cheapest model that `secateur search` finds
within a drop of accuracy beside the cheapest point, by the same rule, of a uniform and of a global
grid of ratios, all with the same number of trained epochs. budget: how often the model that a quick
search of simple_net found keeps its budget on the test split, which had no part in the search.
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
from typing import Any

from benchmarks.readme import replace_section

PARTS = ("sensitivity", "grids", "budget")
DROP = 0.005
EPOCHS = 6
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
    parser.add_argument("--models", default="lenet_5", help="models of part grids")
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
    from flows.server import prefect_server
    from tasks.quiet import import_tensorflow

    with prefect_server() as wait_until_ready:
        import_tensorflow()
        wait_until_ready()
        yield


# How long curves take.


def sensitivity() -> Iterator[str]:
    """Rows of a table: seconds of all curves, and of a fresh copy for each point."""
    from tasks.quiet import import_tensorflow

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
    from secateur.search.sensitivity import sensitivity as measure
    from secateur.search.sensitivity_config import SensitivityConfig
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
    from secateur.structure import StructureTarget, prune

    if pattern == "channel":
        cut = StructureTarget(allocation={layer: ratio}, pooling="mean")
        copy = prune(model, scores, cut).model
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
        f"| cheapest within {100 * DROP:g} point on validation, {seeds} seeds | cost | left of the "
        "dense model | validation | test (dense) |"
    )
    yield "| --- | --- | ---: | ---: | ---: |"
    for model in models:
        for pattern, objective in (("channel", "flops"), ("weight", "bytes")):
            found: dict[str, list[tuple[float, float, float]]] = {}
            dense = []
            for seed in range(seeds):
                out = folder / f"{model}-{pattern}-{seed}"
                own, whole = _searched(model, pattern, objective, seed, out)
                dense.append(whole["test"])
                found.setdefault("search (guided)", []).append(own)
                for allocation in ("uniform", "global"):
                    point = _grid(model, pattern, objective, seed, allocation, whole, out)
                    found.setdefault(f"{allocation} grid", []).append(point)
            for way, points in found.items():
                left, validation, test = (
                    statistics.fmean(values) for values in zip(*points, strict=True)
                )
                yield (
                    f"| {model}, {pattern}: {way} | {objective} | {left:.1%} | {validation:.2%} | "
                    f"{test:.2%} ({statistics.fmean(dense):.2%}) |"
                )


def _common(model: str, seed: int) -> dict[str, Any]:
    return {
        "model": {"name": model},
        "train": {"epochs": 10},
        "fine_tune": {"epochs": EPOCHS},
        "seed": seed,
    }


def _searched(model, pattern, objective, seed, out):
    """The chosen candidate of a search without a margin, for a grid has none either."""
    from flows.search import search

    report = search(
        budget={"accuracy_drop": DROP},
        objective=objective,
        target={"pattern": [pattern]},
        search={"confidence": 0.500001, "fresh_seeds": 1},
        output=out / "search",
        **_common(model, seed),
    )
    whole = {
        "validation": report.dense.validation,
        "test": report.dense.test,
        "cost": report.dense.costs[objective],
    }
    left = report.winner.costs[objective] / whole["cost"]
    return (left, report.winner.validation.mean, report.winner.test.mean), whole


def _grid(model, pattern, objective, seed, allocation, whole, out):
    """The cheapest point that keeps the same drop on the validation split; else the dense model."""
    from flows.sweep import sweep

    cost = {"flops": "flops", "bytes": "bytes_gzip"}[objective]
    target = {"pattern": pattern, "allocation": allocation}
    if pattern == "channel":
        target["measure"] = "flops"
    report = sweep(
        sweep={"target": {"ratio": list(RATIOS[pattern])}},
        target=target,
        output=out / allocation,
        **_common(model, seed),
    )
    points = [(1.0, whole["validation"], whole["test"])]
    for variant in report.variants:
        figures = variant.figures
        if figures and whole["validation"] - figures["validation"].mean <= DROP + 1e-9:
            left = figures[cost].mean / whole["cost"]
            points.append((left, figures["validation"].mean, figures["test"].mean))
    return min(points)


def budget(runs: int, folder: Path) -> Iterator[str]:
    """Rows of a table: how often the budget held where nothing was chosen on it."""
    from flows.search import search

    kept, without, left, margins = 0, 0, [], []
    for seed in range(runs):
        report = search(
            budget={"accuracy_drop": DROP},
            output=folder / f"budget-{seed}",
            **_common("simple_net", seed),
        )
        kept += report.kept_on_test
        without += report.winner.test_drop <= DROP
        left.append(report.winner.costs["bytes"] / report.dense.costs["bytes"])
        margins.append(report.winner.drop.margin)
    yield f"| quick searches of simple_net, drop of {100 * DROP:g} point allowed | |"
    yield "| --- | ---: |"
    yield f"| budget kept on the test split by the written model | {kept} of {runs} |"
    yield f"| … by the mean of its fresh seeds | {without} of {runs} |"
    yield f"| bytes left, mean | {statistics.fmean(left):.1%} |"
    yield f"| margin for uncertainty, mean | {100 * statistics.fmean(margins):.2f} points |"


if __name__ == "__main__":
    main()
