"""`secateur sweep` of 24 trials beside a plain Keras script run 24 times, as whole processes.

    python -m benchmarks.sweep [--plain 3] [--many 500] [--write]

4 ratios x 2 criteria x 3 seeds of fine-tuning on mnist_5k, 10 epochs each, one dense model, on a
running Prefect server. The plain script runs `--plain` times, and its mean counts 24 times. The
time of a trial is the difference between a sweep of 24 and one of 2 trials, so that start-up is not
in it; what Prefect and the store take of it is the time of a trial that is already stored.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pipeline import plain_script, running_server
from benchmarks.readme import replace_section

RATIOS, CRITERIA, SEEDS = "0.5,0.7,0.9,0.95", "gradient,magnitude", "0,1,2"
TRIALS, FEW = 24, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", type=int, default=3, help="runs of the plain script")
    parser.add_argument("--many", type=int, default=500, help="trials of the large stored sweep")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = compare(Path(folder), options.plain, options.many)
    print(table)
    if options.write:
        replace_section("sweep", table)


def compare(folder: Path, plain_runs: int, many: int) -> str:
    """Runs everything and returns the table in Markdown."""
    base = {**os.environ, "PREFECT_HOME": str(folder / "prefect"), "DO_NOT_TRACK": "1"}
    for name in ("PREFECT_API_URL", "PYTHONDONTWRITEBYTECODE"):
        base.pop(name, None)
    plain = TRIALS * statistics.fmean(plain_script(folder, base)[0] for _ in range(plain_runs))
    with running_server(base) as served:
        few = {n: _sweep(folder / f"few-{n}", served, n, few=True)[0] for n in (1, 2)}
        whole = {n: _sweep(folder / f"whole-{n}", served, n)[0] for n in (1, 2)}
        stored, memory = _sweep(folder / "whole-1", served, 1)
        stored_many, memory_many = _stored_many(folder, served, many)
    trial = {n: (whole[n] - few[n]) / (TRIALS - FEW) for n in (1, 2)}
    overhead = (stored_many - stored) / (many - TRIALS)
    rows = [
        ("24 runs of the plain script", plain, ""),
        ("24 trials, one worker", whole[1], f"{plain / whole[1]:.1f}× faster"),
        ("24 trials, two workers", whole[2], f"{plain / whole[2]:.1f}× faster"),
        ("one more trial, one worker", trial[1], ""),
        ("one more trial, two workers", trial[2], f"{trial[1] / trial[2]:.2f}× faster"),
        ("24 trials, all stored", stored, ""),
        (f"{many} trials, all stored", stored_many, ""),
        ("one more stored trial", overhead, f"{overhead / trial[1]:.1%} of a trial"),
    ]
    lines = ["| | seconds | |", "| --- | ---: | --- |"]
    lines += [f"| {name} | {value:.3g} | {note} |" for name, value, note in rows]
    return (
        "\n".join(lines)
        + f"\n\nStarting up takes {few[1] - FEW * trial[1]:.3g} s with one worker and "
        f"{few[2] - FEW * trial[2]:.3g} s with two. Memory of the command at its peak, all stored: "
        f"{memory:.0f} MB with {TRIALS} trials, {memory_many:.0f} MB with {many}."
    )


Cost = tuple[float, float]
"""Seconds of a command, and megabytes of its process at its peak."""


def _sweep(store: Path, environment: dict[str, str], workers: int, few: bool = False) -> Cost:
    """A sweep of 24 trials, or of 2 of them."""
    seeds = "0,1" if few else SEEDS
    axes = ["--sweep.target.ratio", "0.9" if few else RATIOS]
    axes += ["--sweep.importance.criterion", "magnitude" if few else CRITERIA]
    return _command(store, environment, [*axes, "--sweep.fine_tune.seed", seeds], workers)


def _stored_many(folder: Path, environment: dict[str, str], many: int) -> Cost:
    """A sweep of many trials of no epochs, the second time."""
    ratios = ",".join(f"{0.9 * i / many:.6f}" for i in range(many))
    arguments = ["--sweep.target.ratio", ratios, "--importance.criterion", "magnitude"]
    arguments += ["--fine_tune.epochs", "0", "--correct.method", "none"]
    _command(folder / "many", environment, arguments, 1)
    return _command(folder / "many", environment, arguments, 1)


def _command(store: Path, environment: dict[str, str], arguments: list[str], workers: int) -> Cost:
    script = str(Path(sys.executable).with_name("secateur"))
    command = [script, "sweep", *arguments, "--workers", str(workers), "--seed", "1"]
    command += ["--train.epochs", "10", "--output", str(store / "out")]
    start = time.perf_counter()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            command, env={**environment, "SECATEUR_STORE": str(store)}, stdout=told, stderr=told
        )
        _, status, usage = os.wait4(process.pid, 0)  # memory of this process alone
        seconds = time.perf_counter() - start
        if status:
            told.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{told.read().decode()}")
    print(f"{store.name}: {seconds:.3g} s", file=sys.stderr, flush=True)
    return seconds, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
