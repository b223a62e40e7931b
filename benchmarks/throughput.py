"""Images a second of training, beside Keras in processes as a user starts them.

    python -m benchmarks.throughput [--models resnet_20 …] [--turns 9] [--write]

Each side trains in a process of its own: Keras with one and with 16 steps an execution, this
package with the dense model and with masks held, and this package as it was before, without
oneDNN (`TF_ENABLE_ONEDNN_OPTS=0`). They take turns, an epoch each; the first two of a side, which
trace, do not count. A figure is the median of a side's turns; a ratio the median of those to the
same turn of the better of Keras's settings. `--write` puts the table into `benchmarks/training.md`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.readme import replace_section

SIDES = ("keras", "keras_16", "before", "dense", "held")
MODELS = ("resnet_20", "MobileNetV2", "lenet_5", "text_transformer")
TRACING = 2


class Side:
    """A process that trains an epoch each time it is told to."""

    def __init__(self, side: str, model: str) -> None:
        environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
        if side == "before":
            side, environment["TF_ENABLE_ONEDNN_OPTS"] = "dense", "0"
        self.arguments = (side, model)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `end`)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.throughput_side", *self.arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def epoch(self) -> float:
        """Trains one; its examples a second."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            print("on", file=stdin, flush=True)
            told = stdout.readline()
        except BrokenPipeError:
            told = ""
        if told:
            return float(told)
        code = self._process.wait()
        self._said.seek(0)
        words = self._said.read().decode(errors="replace")[-2000:]
        raise SystemExit(f"A side died with exit code {code}: {' '.join(self.arguments)}\n{words}")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._said.close()


def speeds(model: str, turns: int) -> dict[str, list[float]]:
    """Examples a second in each side's epochs, by turns."""
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    sides = {}
    try:
        for side in SIDES:
            sides[side] = Side(side, model)
            for _ in range(TRACING):
                sides[side].epoch()
        for _ in range(turns):
            for side in SIDES:
                found[side].append(sides[side].epoch())
    finally:
        for each in sides.values():
            each.end()
    return found


def row(model: str, found: dict[str, list[float]]) -> str:
    """A line of the table."""
    medians = {side: statistics.median(each) for side, each in found.items()}
    best = max(("keras", "keras_16"), key=lambda side: medians[side])
    cells = [f"{medians[side]:,.0f}" for side in SIDES]
    for side in ("before", "dense", "held"):
        ratios = [own / peer for peer, own in zip(found[best], found[side], strict=True)]
        cells.append(f"{statistics.median(ratios):.2f}×")
    return f"| {model} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--write", action="store_true", help="put the table into training.md")
    options = parser.parse_args()
    titles = ["examples a second", "Keras", "Keras, 16 steps", "before", "dense", "masks held"]
    titles += [f"{side} to the better Keras" for side in ("before", "dense", "masks held")]
    lines = [f"| {' | '.join(titles)} |", f"|---|{'--:|' * (len(titles) - 1)}"]
    print("\n".join(lines), flush=True)
    for model in options.models:
        lines.append(row(model, speeds(model, options.turns)))
        print(lines[-1], flush=True)
    if options.write:
        replace_section(
            "throughput", "\n".join(lines), Path(__file__).resolve().parent / "training.md"
        )


if __name__ == "__main__":
    main()
