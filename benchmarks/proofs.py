"""What the checks of a run cost: `secateur prune` on built-in models, seconds of checks and of all.

    python -m benchmarks.proofs [--write]

Each line is one run of the command in a process and with a store of its own, so that every
stage is computed; all figures are those of its `report.json`. The goal is 5 % of a run or 2 s,
whichever is more. `--write` puts the table into `benchmarks/proofs.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.readme import replace_section
from secateur.report.markdown import markdown_table

SHARE, LEAST = 0.05, 2.0
RUNS = {
    "simple_net, magnitude, weights": [],
    "simple_net, gradient, weights": ["--importance.criterion", "gradient"],
    "lenet_5, gradient, channels": [
        *("--model.name", "lenet_5", "--importance.criterion", "gradient"),
        *("--target.pattern", "channel"),
    ],
    "lenet_5, wanda, weights": ["--model.name", "lenet_5", "--importance.criterion", "wanda"],
    "resnet_20 on digits, gradient, channels": [
        *("--model.name", "resnet_20", "--dataset.name", "digits", "--target.pattern", "channel"),
        *("--importance.criterion", "gradient"),
    ],
}


def measure(flags: list[str]) -> tuple[int, float, float]:
    """Checks of a run, their seconds, and the seconds of all its stages."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "secateur.flows.cli", "prune", "--target.ratio", "0.5"]
        output = ["--output", f"{folder}/out"]
        own = {**os.environ, "SECATEUR_STORE": f"{folder}/store"}
        done = subprocess.run([*command, *flags, *output], env=own, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        report = json.loads(Path(folder, "out", "report.json").read_text())
    checks = report["checks"]
    stages = sum(stage["seconds"] for stage in report["stages"])
    return len(checks), sum(check["seconds"] for check in checks), stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write benchmarks/proofs.md")
    arguments = parser.parse_args()
    rows = []
    for name, flags in RUNS.items():
        checks, seconds, stages = measure(flags)
        kept = "yes" if seconds <= max(SHARE * stages, LEAST) else "no"
        share = f"{seconds / stages:.1%}"
        rows.append([name, str(checks), f"{seconds:.2f} s", f"{stages:.1f} s", share, kept])
        print(*rows[-1], sep=" | ", flush=True)
    header = ["run", "checks", "their seconds", "all stages", "share", "5 % or 2 s"]
    table = markdown_table(header, rows)
    if arguments.write:
        replace_section("proofs", table, Path(__file__).with_suffix(".md"))


if __name__ == "__main__":
    main()
