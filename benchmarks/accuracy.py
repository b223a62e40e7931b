"""Accuracy after pruning and 10 epochs of fine-tuning, beside tensorflow-model-optimization.

    python -m benchmarks.accuracy --peer PYTHON [--seeds 5] [--options] [--structured] [--write]

The dense models of `mnist_5k` are trained by the pipeline; the flow's default recipe and the peer
(`benchmarks/accuracy_peer.py`) begin with the same weights. PYTHON is one that has the peer:

    python -m venv peer && peer/bin/pip install tensorflow tf_keras tensorflow-model-optimization

Results are kept in the pipeline's store, and the peer's in `--folder`, so that the same command
goes on where it was. `--options` compares, on the validation split, the default with what each
single option makes of it; `--structured` measures models cut to half their FLOPs. `--write` puts
the tables into `benchmarks/accuracy.md` and the headline into the README.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from prefect.client.schemas.objects import State

from benchmarks.readme import replace_section
from secateur.datasets.dataset import Dataset
from secateur.evaluation.schema import Evaluation
from secateur.flows.parameters import PruneParameters
from secateur.flows.pipeline import wire, wire_train
from secateur.store import Reference
from secateur.tasks.stage import Stage, read

HERE = Path(__file__).resolve().parent
MODELS = ("simple_net", "lenet_300_100", "lenet_5")
RATIOS = (0.5, 0.9, 0.95, 0.98)
OPTIONS: dict[str, dict[str, Any]] = {
    "the default": {},
    "allocation global": {"target": {"allocation": "global"}},
    "allocation uniform": {"target": {"allocation": "uniform"}},
    "allocation erk": {"target": {"allocation": "erk"}},
    "schedule gradual": {"target": {"schedule": "gradual", "frequency": 20, "end": 0.5}},
    "schedule iterative, 3 rounds of 10 epochs": {"target": {"schedule": "iterative"}},
    "rate cosine": {"fine_tune": {"rate_schedule": "cosine"}},
    "rate constant": {"fine_tune": {"rate_schedule": "constant"}},
    "rate constant 0.001": {"fine_tune": {"rate_schedule": "constant", "learning_rate": 0.001}},
    "learning rate 0.001": {"fine_tune": {"learning_rate": 0.001}},
    "learning rate 0.01": {"fine_tune": {"learning_rate": 0.01}},
    "distillation of logits": {"fine_tune": {"distill": {"weight": 0.5, "temperature": 2}}},
    "distillation of features": {"fine_tune": {"distill": {"features": 0.1}}},
    "label smoothing 0.1": {"fine_tune": {"label_smoothing": 0.1}},
    "best epoch's weights": {"fine_tune": {"keep": "best"}},
    "rewound weights": {"train": {"keep_epoch": 1}, "fine_tune": {"rewind": "weights"}},
    "rewound learning rate": {"fine_tune": {"rewind": "learning_rate"}},
    "moving masks, SET": {"fine_tune": {"dynamic": {"method": "set"}}},
    "moving masks, RigL": {"fine_tune": {"dynamic": {"method": "rigl"}}},
    "least squares before": {"correct": {"method": "least_squares"}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="a Python that has tensorflow-model-optimization")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--folder", type=Path, default=Path("accuracy"), help="the peer's results")
    parser.add_argument("--options", action="store_true", help="each option on validation")
    parser.add_argument("--structured", action="store_true", help="half the FLOPs")
    parser.add_argument("--write", action="store_true", help="write README and accuracy.md")
    options = parser.parse_args()
    seeds = range(options.seeds)
    parts = {}
    if options.peer:
        parts["headline"] = against_peer(options.peer, options.folder, seeds, options.models)
    if options.structured:
        parts["structured"] = structured(seeds)
    if options.options:
        parts["options"] = by_option(range(min(3, options.seeds)))
    for name, text in parts.items():
        print(text, end="\n\n", flush=True)
        if options.write:
            replace_section(name, text, HERE / "accuracy.md")
    if options.write and "headline" in parts:
        replace_section("accuracy", parts["headline"])


def against_peer(python: str, folder: Path, seeds: Iterable[int], models: Sequence[str]) -> str:
    """The table of ratios: dense, peer and the default recipe on the test split."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in models:
        for seed in seeds:
            export_dense(name, seed, folder)
    ours = {
        (name, ratio): [trial(name, seed, {"target": {"ratio": ratio}}) for seed in seeds]
        for name in models
        for ratio in RATIOS
    }
    peer = peers(python, folder)
    lines = [
        "| model | ratio | dense | tfmot | secateur | to dense | to tfmot |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (name, ratio), found in ours.items():
        dense, final = ([_test(f[s]) for f in found] for s in ("dense", "fine_tuned"))
        theirs = [peer[name, seed, ratio] for seed in seeds]
        lines.append(
            f"| {name} | {ratio} | {spread(dense)} | {spread(theirs)} | {spread(final)} "
            f"| {_points(final, dense)} | {_points(final, theirs)} |"
        )
    return "\n".join(lines)


def structured(seeds: Iterable[int]) -> str:
    """The table of models cut to half their FLOPs."""
    lines = ["| model | seeds | FLOPs | dense | cut | change |", "|---|--:|--:|--:|--:|--:|"]
    target = {"ratio": 0.5, "pattern": "channel", "measure": "flops"}
    for name, runs in (("lenet_5", list(seeds)), ("resnet_20", list(seeds)[:2])):
        found = [trial(name, seed, {"target": target}) for seed in runs]
        dense, final = ([_test(f[s]) for f in found] for s in ("dense", "fine_tuned"))
        flops = [(f["fine_tuned"].cost.flops or 0) / (f["dense"].cost.flops or 1) for f in found]
        lines.append(
            f"| {name} | {len(runs)} | {statistics.fmean(flops):.1%} | {spread(dense)} "
            f"| {spread(final)} | {_points(final, dense)} |"
        )
    return "\n".join(lines)


def by_option(seeds: Iterable[int]) -> str:
    """The table of options on the validation split: `simple_net`."""
    cells = [("simple_net", ratio) for ratio in (0.9, 0.98)]
    head = " | ".join(f"{name} {ratio}" for name, ratio in cells)
    lines = [f"| option | {head} |", f"|---|{'--:|' * len(cells)}"]
    for label, changes in OPTIONS.items():
        shown = []
        for name, ratio in cells:
            both = merged({"target": {"ratio": ratio}}, changes)
            found = [trial(name, seed, both)["fine_tuned"].validation for seed in seeds]
            shown.append(spread([v.metrics["accuracy"] for v in found if v]))
        lines.append(f"| {label} | {' | '.join(shown)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def trial(model: str, seed: int, changes: dict[str, Any]) -> dict[str, Evaluation]:
    """The evaluations of one run of the pipeline, from the store where they are there."""
    keras.utils.clear_session()
    _, evaluations, _ = wire(parameters(model, seed, changes), run)
    return {
        subject: Evaluation.model_validate_json(
            (read(reference).directory / "evaluation.json").read_text()
        )
        for subject, reference in evaluations.items()
    }


def parameters(model: str, seed: int, changes: dict[str, Any]) -> PruneParameters:
    """Those of the flow: its defaults but for `changes`."""
    given = merged({"model": {"name": model}, "seed": seed}, changes)
    resolved = PruneParameters.model_validate(given).resolved()
    resolved.check()
    return resolved


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with nested `changes`."""
    both = dict(base)
    for name, value in changes.items():
        inner = isinstance(value, dict) and isinstance(both.get(name), dict)
        both[name] = merged(both[name], value) if inner else value
    return both


def run(stage: Stage, *, subject: Any = None, round: Any = None, **arguments: Any) -> Reference:
    """A stage without a flow around it."""
    outcome = stage.task.fn(**arguments)
    return outcome.result() if isinstance(outcome, State) else outcome


def export_dense(name: str, seed: int, folder: Path) -> None:
    """The dense weights and the data, for the peer."""
    p = parameters(name, seed, {"target": {"ratio": 0.5}})
    data, dense = wire_train(p, run)
    path = folder / f"{name}-{seed}.npz"
    if not path.exists():
        file = read(dense).directory / "model.keras"
        np.savez(path, *keras.models.load_model(file, compile=False).get_weights())
    if not (folder / "data.npz").exists():
        dataset = Dataset(read(data).directory)
        arrays = {s: dataset.split(s).arrays() for s in ("train", "validation", "test")}
        flat = {f"{s}_x": x for s, (x, _) in arrays.items()}
        flat |= {f"{s}_y": y for s, (_, y) in arrays.items()}
        np.savez(folder / "data.npz", **flat)


def peers(python: str, folder: Path) -> dict[tuple[str, int, float], float]:
    """Test accuracy of the peer by model, seed and ratio."""
    script = HERE / "accuracy_peer.py"
    ratios = ",".join(map(str, RATIOS))
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    environment.pop("PYTHONPATH", None)
    subprocess.run([python, str(script), str(folder), ratios], check=True, env=environment)
    found = [json.loads(line) for line in (folder / "peer.jsonl").read_text().splitlines()]
    return {(each["model"], each["seed"], each["ratio"]): each["test"] for each in found}


def _test(evaluation: Evaluation) -> float:
    return evaluation.cost.metrics["accuracy"]


def spread(values: list[float]) -> str:
    """Mean ± standard deviation of the sample, in percent."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{100 * statistics.fmean(values):.2f} ± {100 * deviation:.2f}"


def _points(values: list[float], base: list[float]) -> str:
    """Difference of means, with its standard error over the pairs."""
    apart = [100 * (a - b) for a, b in zip(values, base, strict=True)]
    error = statistics.stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
    return f"{statistics.fmean(apart):+.2f} ± {error:.2f}"


if __name__ == "__main__":
    main()
