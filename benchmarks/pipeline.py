"""`secateur prune` beside a plain Keras script of the same work, as whole processes.

    python -m benchmarks.pipeline [--runs 3] [--write]

The two take turns, so that what else the machine does hits both; medians and their ratios are
printed, and `--write` puts the table into the README. Times are wall time from start to exit:
importing TensorFlow and starting the temporary Prefect server are in them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.readme import replace_section

HERE = Path(__file__).resolve().parent
SHORT, LONG = 10, 40  # epochs of fine-tuning; their difference has no start-up in it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each, by turns")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = compare(Path(folder), options.runs)
    print(table)
    if options.write:
        replace_section("pipeline", table)


def compare(folder: Path, runs: int) -> str:
    """Runs everything and returns the table in Markdown."""
    base = {**os.environ, "PREFECT_HOME": str(folder / "prefect"), "DO_NOT_TRACK": "1"}
    for name in ("PREFECT_API_URL", "PYTHONDONTWRITEBYTECODE"):
        base.pop(name, None)
    _secateur(folder / "warm-up", base)  # makes Prefect's data base, and Python's bytecode
    plain: dict[str, list[float]] = {"whole": [], "epoch": []}
    ours: dict[str, list[float]] = {"whole": [], "epoch": [], "cached": [], "served": []}
    for run in range(runs):
        store = folder / f"run-{run}"
        ours["whole"].append(_secateur(store, base))
        plain["whole"].append(plain_script(folder, base)[0])
        ours["epoch"].append(_epoch(lambda n, store=store: _our_fine_tuning(store, base, n)))
        plain["epoch"].append(_epoch(lambda n: plain_script(folder, base, n)[1]))
        ours["cached"].append(_secateur(store, base))
        with running_server(base) as served:
            ours["served"].append(_secateur(store, served))
    return _table(plain, ours)


def _table(plain: dict[str, list[float]], ours: dict[str, list[float]]) -> str:
    rows = [
        ("whole run, nothing stored, no server", "whole", "whole"),
        ("one epoch of fine-tuning, masks held", "epoch", "epoch"),
        ("the same again (all cached), no server", "cached", "whole"),
        ("the same again (all cached), a running server", "served", "whole"),
    ]
    lines = ["| | Secateur | plain Keras | ratio |", "| --- | ---: | ---: | ---: |"]
    for label, mine, other in rows:
        a, b = statistics.median(ours[mine]), statistics.median(plain[other])
        lines.append(f"| {label} | {a:.3g} s | {b:.3g} s | {a / b:.2f}× |")
    return "\n".join(lines)


def _epoch(seconds_of) -> float:
    """Seconds of one epoch, from a long and a short fine-tuning."""
    return (seconds_of(LONG) - seconds_of(SHORT)) / (LONG - SHORT)


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return seconds, done.stdout


def plain_script(
    folder: Path, environment: dict[str, str], epochs: int = SHORT
) -> tuple[float, float]:
    """Seconds of the whole script, and of its fine-tuning."""
    script = [sys.executable, str(HERE / "plain_keras.py"), str(folder / "plain.keras")]
    seconds, out = timed([*script, str(epochs)], environment)
    return seconds, json.loads(out.splitlines()[-1])["fine_tune_seconds"]


def _secateur(
    store: Path, environment: dict[str, str], epochs: int = SHORT, refresh: str | None = None
) -> float:
    command = [str(Path(sys.executable).with_name("secateur")), "prune"]
    command += ["--target.ratio", "0.9", "--importance.criterion", "gradient", "--seed", "1"]
    command += ["--train.epochs", "10", "--fine_tune.epochs", str(epochs)]
    command += ["--output", str(store / "out"), *(["--refresh", refresh] if refresh else [])]
    return timed(command, {**environment, "SECATEUR_STORE": str(store)})[0]


def _our_fine_tuning(store: Path, environment: dict[str, str], epochs: int) -> float:
    """Seconds of the stage `fine_tune`, newly run."""
    _secateur(store, environment, epochs, refresh="fine_tune")
    stages = json.loads((store / "out" / "report.json").read_text())["stages"]
    return next(stage["seconds"] for stage in stages if stage["name"] == "fine_tune")


@contextlib.contextmanager
def running_server(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """A running Prefect server, and the environment that leads to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = str(Path(sys.executable).with_name("prefect"))
    process = subprocess.Popen(
        [script, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit("The Prefect server did not start.") from None
                time.sleep(0.2)
        yield {**environment, "PREFECT_API_URL": url}
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
