"""Latency of dense and pruned models, unstructured and structured, in every runtime, in one run.

    python -m benchmarks.latency [--models lenet_5 resnet_20] [--seconds 0.6]

Weights are random: how long a dense kernel takes does not depend on their values. `weights` has
90 % of them set to zero; `channels` has half of the FLOPs removed, all groups of channels alike, to
widths that are multiples of 8. All models of a column take turns in the same process. The dense
model is measured in Keras also in a process of its own, as a user starts it, by turns with this.
Writes the tables of benchmarks/latency.md and the README.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from benchmarks.readme import replace_section
from secateur import structure
from secateur.evaluation import latency
from secateur.evaluation.latency import latency_name
from secateur.evaluation.machine import cores, machine
from secateur.evaluation.measuring import BATCHES, Measured, measure_files
from secateur.evaluation.runtimes import open_model
from secateur.evaluation.size import file_size
from secateur.export.writing import write
from secateur.models.architectures.lenet import lenet_5
from secateur.models.architectures.resnet import resnet_20
from secateur.models.weights import prunable_weights
from tests.secateur.structure.reference import magnitude

MODELS: dict[str, Callable[[], keras.Model]] = {
    "lenet_5": lambda: lenet_5((28, 28, 1), 10),
    "resnet_20": lambda: resnet_20((32, 32, 3), 10),
    "MobileNetV2": lambda: keras.applications.MobileNetV2((96, 96, 3), weights=None, classes=10),
}
SPARSITY = 0.9
SHARE = 0.5
TURNS = 9
"""Of this process and that of a user, of which a ratio is the median."""
PAGE = Path(__file__).resolve().parent / "latency.md"
FORMATS = {"litert": "litert", "onnx": "onnxruntime"}


def variants(dense: keras.Model) -> dict[str, keras.Model]:
    """The dense model, one with zeros, and one with fewer channels."""
    graph = structure.analyse(dense)
    chosen = structure.choose(
        graph, magnitude(dense), ratio=SHARE, measure="flops", allocation="uniform", round_to=8
    )
    zeroed = keras.models.clone_model(dense)
    zeroed.set_weights(dense.get_weights())
    for weight in prunable_weights(zeroed):
        value = keras.ops.convert_to_numpy(weight.variable.value).copy()
        value[np.abs(value) < np.quantile(np.abs(value), SPARSITY)] = 0
        weight.variable.assign(value)
    return {"dense": dense, "weights": zeroed, "channels": structure.remove(dense, chosen)}


def measured(models: dict[str, keras.Model], folder: Path) -> tuple[dict[str, Measured], dict]:
    """Latencies of all models in all runtimes, and the bytes of their LiteRT files."""
    subjects, sizes = {}, {}
    for name, model in models.items():
        place = folder / name
        place.mkdir()
        files = {run: write(model, f, place).path for f, run in FORMATS.items()}
        files["keras"] = write(model, "keras", place).path
        subjects[name] = files
        sizes[name] = file_size(files["litert"])
    shape = (max(BATCHES), *models["dense"].inputs[0].shape[1:])
    x = np.random.default_rng(0).random(shape, dtype=np.float32)
    return measure_files(subjects, x), sizes


def beside_keras(path: Path, seconds: float) -> list[str]:
    """Cells of the dense model in Keras: here, and in a process as a user starts it.

    Args:
        path: The model's file.
        seconds: How long this process measures in a turn.
    """
    runner = open_model(path)
    shape = keras.models.load_model(path, compile=False).inputs[0].shape[1:]
    x = np.random.default_rng(0).random((max(BATCHES), *shape), dtype=np.float32)
    calls = {batch: runner.ready(x[:batch]) for batch in BATCHES}
    ours: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    theirs: dict[str, dict[int, list[float]]] = {}
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.latency_peer", str(path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        for _ in range(TURNS):
            print("on", file=peer.stdin, flush=True)
            for way, medians in json.loads(peer.stdout.readline()).items():
                for batch, value in medians.items():
                    theirs.setdefault(way, {}).setdefault(int(batch), []).append(value)
            for batch, call in calls.items():
                ours[batch].append(latency.compare({batch: call}, seconds)[batch].median)
        peer.stdin.close()
    cells = []
    for batch in BATCHES:
        cells.append(f"{statistics.median(ours[batch]):.3g} ms")
        for some in theirs.values():
            pairs = zip(some[batch], ours[batch], strict=True)
            ratio = statistics.median(their / our for their, our in pairs)
            cells.append(f"{statistics.median(some[batch]):.3g} ms, {ratio:.2f}×")
    return cells


def columns() -> list[str]:
    """Names of the measurements that are shown."""
    found = []
    for runtime in ("litert", "onnxruntime", "keras"):
        for threads in sorted({cores()} if runtime == "keras" else {1, cores()}):
            found += [latency_name(runtime, threads, batch) for batch in BATCHES]
    return found


def table(name: str, found: dict[str, Measured], sizes: dict, names: list[str]) -> list[str]:
    """Rows of one model."""
    rows = []
    for variant, measured in found.items():
        cells = []
        for column in names:
            dense, now = found["dense"].latency_ms[column], measured.latency_ms[column]
            cells.append(f"{now.median:.3g} ms, {dense.median / now.median:.2f}×")
        size = f"{sizes['dense'].gzip / sizes[variant].gzip:.1f}×"
        rows.append(f"| {name} | {variant} | {size} | {' | '.join(cells)} |")
    return rows


def main() -> None:
    """Measures, prints, and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=latency.SECONDS)
    options = parser.parse_args()
    latency.SECONDS = options.seconds
    keras.utils.set_random_seed(0)
    names = columns()
    short = [
        latency_name("litert", 1),
        latency_name("onnxruntime", 1),
        latency_name("keras", cores()),
    ]
    pages: dict[str, list[str]] = {"all": names, "readme": short}
    rows: dict[str, list[str]] = {page: [] for page in pages}
    users = []
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            found, sizes = measured(variants(MODELS[name]()), Path(folder))
            (dense,) = (Path(folder) / "dense").glob("*.keras")
            users.append(f"| {name} | {' | '.join(beside_keras(dense, options.seconds / 4))} |")
            print(users[-1], flush=True)
        for page, some in pages.items():
            rows[page] += table(name, found, sizes, some)
            print("\n".join(rows[page][-len(found) :]), flush=True)
    about = machine()
    where = f"On {about['cores']} cores of {about['processor']}; LiteRT {about['ai-edge-litert']}, "
    where += f"ONNX Runtime {about['onnxruntime']}, TensorFlow {about['tensorflow']}."
    text = "\n".join([where, "", *_header(names), *rows["all"]])
    peer = "\n".join([_USERS, "", *_users_header(), *users])
    PAGE.write_text(f"# Latency: figures\n\n{_MEANING}\n\n{text}\n\n{peer}\n", encoding="utf-8")
    replace_section("latency", "\n".join(["", *_header(short), *rows["readme"]]))


_MEANING = """`python -m benchmarks.latency` writes this page. Each cell: median milliseconds of a
call, and how many times faster than the dense model, which takes turns with it; `-1` and `-2` are
threads, `-batch32` 32 examples a call.

`weights` has 90 % of the weights set to zero. On this processor the kernels of all three runtimes
multiply zeros like any other number (XNNPACK has kernels for sparse 1x1 convolutions, which are off
on x86 with AVX), so it is expected to be no faster; its file is smaller, once it is compressed.
`channels` has half of the FLOPs removed with whole channels. How much faster that is depends on the
widths that are left, because kernels compute 8 or 16 channels at a time, and on how much of a call
is arithmetic at all."""


_USERS = """## Keras, here and as a user starts it

The dense model, in this process and by turns in one that imports Keras alone. The ratio is how many
times longer the user's call takes than ours on the same batch: about 1 for a `tf.function`, which
is what ours is, and more for `predict_on_batch`."""


def _users_header() -> list[str]:
    titles = ["model"]
    for batch in BATCHES:
        size = f"{batch} example" + ("s" if batch > 1 else "")
        titles += [f"here, {size}", f"`predict_on_batch`, {size}", f"`tf.function`, {size}"]
    return [f"| {' | '.join(titles)} |", f"|---|{'--:|' * (len(titles) - 1)}"]


def _header(names: list[str]) -> list[str]:
    titles = ["model", "pruned", "smaller (LiteRT, gzip)", *names]
    return [f"| {' | '.join(titles)} |", f"|---|---|{'--:|' * (len(names) + 1)}"]


if __name__ == "__main__":
    main()
