"""Looks for what oneDNN in TensorFlow computes wrongly, or writes where it must not.

    python -m benchmarks.onednn [--minutes 10] [--uncured] [--around]

Draws convolutions (1, 2 and 3 axes, depthwise, transposed, with bias and relu, dense), widths,
strides, kernels, batches and precisions, and computes them with their gradients in processes of
their own: with all instructions of the processor and with AVX2 alone, on one and two threads, with
a checked heap. Each is compared with the sums of its definition in float64. Tells what was wrong
and what a process died of, found again by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.onednn_cases import Case, drawn, narrow

DTYPES = ("float32", "bfloat16", "float16")
CHECKED_HEAP = Path("/lib/x86_64-linux-gnu/libc_malloc_debug.so.0")
A_PROCESS = 150  # cases


def run(
    cases: Sequence[Case], *, isa: str = "", threads: int = 1, cured: bool = True
) -> dict[int, str]:
    """What went wrong, by the number of the case; a process that died is started anew after it."""
    found: dict[int, str] = {}
    done = 0
    while done < len(cases):
        at, wrong, died = _process(cases[done:], isa, threads, cured)
        found |= {done + number: said for number, said in wrong.items()}
        if died:
            found[done + at] = _who(cases[done : done + at + 1], isa, threads, cured, died)
        done += at + 1
    return found


def _who(cases: Sequence[Case], isa: str, threads: int, cured: bool, died: str) -> str:
    """Whether the case at which a process died does so alone; else one before it may have."""
    _, wrong, alone = _process(cases[-1:], isa, threads, cured)
    return alone or f"{died}, alone: {wrong.get(0, 'right')}"


def _process(
    cases: Sequence[Case], isa: str, threads: int, cured: bool
) -> tuple[int, dict[int, str], str]:
    """The last case that was begun, what was wrong, and what the process died of."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {"MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "171"}
    if CHECKED_HEAP.exists():
        environment["LD_PRELOAD"] = str(CHECKED_HEAP)
    if isa:
        environment["ONEDNN_MAX_CPU_ISA"] = isa
    given = {"threads": threads, "cured": cured, "cases": [asdict(case) for case in cases]}
    command = [sys.executable, "-m", "benchmarks.onednn_cases"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(given),
            env=environment,
            capture_output=True,
            text=True,
            timeout=60 + 3 * len(cases),
        )
        code, out, errors = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as error:
        code, errors = None, ""
        out = (error.stdout or b"").decode()
    at, wrong = 0, {}
    for line in out.splitlines():
        word, _, rest = line.partition(" ")
        if word == "case":
            at = int(rest)
        elif word == "wrong":
            number, _, said = rest.partition(" ")
            wrong[int(number)] = said
    if code == 0 and out.endswith("end\n"):
        return len(cases) - 1, wrong, ""
    if code is None:
        return at, wrong, "did not end"
    last = [line for line in errors.splitlines() if "Error" in line or "F0000" in line][-1:]
    return at, wrong, f"died ({code}) {''.join(last)[:300]}".strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--uncured", action="store_true", help="without this package's cure")
    parser.add_argument("--around", action="store_true", help="strided 1x1 convolutions alone")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    options = parser.parse_args()
    draw: Callable[[random.Random, str], Case] = narrow if options.around else drawn
    end = time.monotonic() + 60 * options.minutes
    counts: Counter[str] = Counter()
    turn = 0
    while time.monotonic() < end:
        for dtype in options.dtypes:
            isa, threads = ("", "AVX2")[turn % 2], 1 + turn // 2 % 2
            if isa and dtype == "bfloat16":
                continue  # TensorFlow asks the processor, not oneDNN, and each would end a process
            rng = random.Random(f"{options.seed} {turn} {dtype}")
            cases = [draw(rng, dtype) for _ in range(A_PROCESS)]
            if options.uncured and not options.around:  # known, and each would end a process
                cases = [case for case in cases if not case.narrow()]
            found = run(cases, isa=isa, threads=threads, cured=not options.uncured)
            where = f"{dtype}, {isa or 'all instructions'}, {threads} threads"
            counts[where] += len(cases)
            for number, said in found.items():
                print(f"{where}: {cases[number]}: {said}", flush=True)
                counts["faults"] += 1
        turn += 1
    print("\n".join(f"{count} {what}" for what, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
