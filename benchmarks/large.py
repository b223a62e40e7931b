"""Pruning a Transformer of 100 million weights layer by layer: its memory, and time per weight.

    python -m benchmarks.large [--millions 10 100] [--methods wanda sparsegpt]

Each line is a process of its own, which builds a GPT of so many weights (width 512, more blocks for
more weights), calibrates on 32 sequences of 64 tokens, and prunes 2:4 or to 50 %. `memory` is the
most that the process took above what it had after importing TensorFlow, as a multiple of the
model's own size (4 bytes a weight): the model itself is in it. The time is that of pruning alone,
and `forwards` that time in forward passes over the same sequences in the same process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from benchmarks.readme import replace_section

WIDTH, HEADS, LENGTH, SEQUENCES, VOCABULARY = 512, 8, 64, 32, 8192
BLOCK = 12 * WIDTH * WIDTH
"""Weights of one block, biases and norms left out."""
COLUMNS = ("weights", "zeros", "memory", "seconds", "ns a weight", "forwards")
TARGETS = {"2:4": {"pattern": "2:4"}, "50 %": {"ratio": 0.5, "allocation": "uniform"}}


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The most memory that this process has while a `with` block runs, by 200 looks a second."""

    def __enter__(self) -> Peak:
        self.bytes, self._over = resident(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self.bytes = max(self.bytes, resident())


def transformer(millions: float):
    """A GPT with about so many million weights."""
    import keras

    from secateur.models.architectures.transformer import block, embedded

    blocks = max(1, round((1e6 * millions - 2 * VOCABULARY * WIDTH) / BLOCK))
    tokens = keras.Input((LENGTH,), dtype="int32")
    x = embedded(tokens, LENGTH, VOCABULARY, WIDTH)
    for number in range(blocks):
        x = block(x, WIDTH, HEADS, f"block_{number}", causal=True)
    x = keras.layers.LayerNormalization(name="norm")(x)
    return keras.Model(tokens, keras.layers.Dense(VOCABULARY, name="logits")(x))


def one(millions: float, method: str, target: str) -> dict:
    """One line, in this process."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import numpy as np
    from rich.progress import Progress

    from secateur.importance.run import Run
    from secateur.models.weights import prunable_weights
    from secateur.sparsity.config import TargetConfig
    from secateur.sparsity.methods import rewrite

    def tokens(count: int) -> np.ndarray:
        return np.random.default_rng(0).integers(0, VOCABULARY, (count, LENGTH)).astype(np.int32)

    before = resident()
    with Peak() as peak, Progress(transient=True) as shown:
        model = transformer(millions)
        x = tokens(SEQUENCES)
        bar = shown.add_task(f"{method}, {target}")
        start = time.perf_counter()
        masks = rewrite(
            model,
            (x, None),
            TargetConfig(**TARGETS[target]),
            method=method,
            progress=lambda done, total: shown.update(bar, completed=done, total=total),
        )
        seconds = time.perf_counter() - start
    start = time.perf_counter()  # later, for it takes more memory than pruning does
    for batch in Run(model, [], data=(x, None)).batches(8):
        model(batch.x, training=False)
    forward = time.perf_counter() - start
    zeros = sum(int((w.variable.numpy() == 0).sum()) for w in prunable_weights(model))
    weights = masks.size()
    return {
        "millions": weights / 1e6,
        "sparsity": zeros / weights,
        "memory": (peak.bytes - before) / (4 * model.count_params()),
        "seconds": seconds,
        "forward": forward,
    }


def main() -> None:
    """Prints a table of each method, and writes it into benchmarks/large.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", type=float, nargs="+", default=[10, 100])
    parser.add_argument("--methods", nargs="+", default=["wanda", "sparsegpt"])
    parser.add_argument("--one", nargs=3, metavar=("MILLIONS", "METHOD", "TARGET"))
    options = parser.parse_args()
    if options.one:
        millions, method, target = options.one
        print(json.dumps(one(float(millions), method, target)))
        return
    from secateur.report.markdown import markdown_table

    for method in options.methods:
        rows = []
        for target in TARGETS:
            for millions in options.millions:
                rows.append(_row(method, target, millions))
                print(" | ".join(rows[-1]), flush=True)
        table = markdown_table(["method", "target", *COLUMNS], rows)
        replace_section(method, table, Path(__file__).with_suffix(".md"))


def _row(method: str, target: str, millions: float) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.large", "--one", str(millions), method, target]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        method,
        target,
        f"{found['millions']:.1f} M",
        f"{found['sparsity']:.2%}",
        f"{found['memory']:.2f}x",
        f"{found['seconds']:.1f}",
        f"{1e3 * found['seconds'] / found['millions']:.0f}",
        f"{found['seconds'] / found['forward']:.1f}",
    ]


if __name__ == "__main__":
    main()
