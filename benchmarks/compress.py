"""`secateur compress` on mnist_5k and `lenet_5`: what each step gains.

    python -m benchmarks.compress [--seeds 3] [--write]

The table is that of the first seed; below it stands what all seeds gave. Milliseconds are of one
example on one thread in LiteRT, timed in turns with the dense model. `--write` puts it into the
README.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.readme import replace_section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outputs = [compress(Path(folder), seed) for seed in range(options.seeds)]
        markdown = (outputs[0] / "compress.md").read_text()
        reports = [json.loads((output / "compress.json").read_text()) for output in outputs]
    text = f"{table(markdown)}\n\n{headline(reports)}"
    print(text)
    if options.write:
        replace_section("compress", text)


def compress(folder: Path, seed: int) -> Path:
    """Runs the command; returns its output folder."""
    script = str(Path(sys.executable).with_name("secateur"))
    output = folder / f"out-{seed}"
    command = [script, "compress", "--model.name", "lenet_5", "--seed", str(seed)]
    environment = {**os.environ, "SECATEUR_STORE": str(folder / "store"), "DO_NOT_TRACK": "1"}
    subprocess.run(
        [*command, "--output", str(output)], check=True, env=environment, stdout=subprocess.DEVNULL
    )
    return output


def table(markdown: str) -> str:
    """The table in a `compress.md`."""
    return "\n".join(line for line in markdown.splitlines() if line.startswith("|"))


def headline(reports: list[dict[str, Any]]) -> str:
    """Mean ± standard deviation over the seeds of what all steps together gave."""
    ends = [(report["steps"][0], report["steps"][-1]) for report in reports]
    smaller = [dense["bytes"]["gzip"] / last["bytes"]["gzip"] for dense, last in ends]
    faster = [last["dense_latency_ms"]["median"] / last["latency_ms"]["median"] for _, last in ends]
    points = [100 * (b["metrics"]["accuracy"] - a["metrics"]["accuracy"]) for a, b in ends]
    shown = [_spread(values) for values in (smaller, faster, points)]
    return (
        f"Over {len(reports)} seeds: {shown[0]} times fewer bytes (gzip), {shown[1]} times the "
        f"speed, accuracy {shown[2]} points (mean ± standard deviation)."
    )


def _spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.2f} ± {deviation:.2f}"


if __name__ == "__main__":
    main()
