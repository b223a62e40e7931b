"""Draws random models for some minutes, and prints each that something does not hold of.

python -m tests.secateur.proof.search_drawn --minutes 10 --seed 1
"""

from __future__ import annotations

import argparse
import random
import time
import traceback

import keras

from tests.secateur.proof.drawn import ALL, check


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5, help="of a model, at most")
    given = parser.parse_args()
    draw, end, number, wrong = (
        random.Random(given.seed),
        time.monotonic() + 60 * given.minutes,
        0,
        0,
    )
    names = sorted(ALL)
    while time.monotonic() < end:
        program = [
            (draw.choice(names), draw.randrange(20), draw.randrange(20))
            for _ in range(draw.randint(1, given.steps))
        ]
        number += 1
        try:
            check(program, seed=number)
        except Exception as error:
            wrong += 1
            where = traceback.extract_tb(error.__traceback__)
            ours = [f"{f.name}:{f.lineno}" for f in where if "/tests/" in f.filename]
            first = (str(error).strip().splitlines() or [""])[0]
            print(number, program, " > ".join(ours), type(error).__name__, first, flush=True)
        keras.backend.clear_session()
    print(f"{number} models, {wrong} of which something does not hold", flush=True)
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
