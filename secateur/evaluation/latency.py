"""How long one call takes: models that are compared take turns, so that noise hits all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np

from secateur.evaluation.schema import Latency

Call = Callable[[], object]
Name = TypeVar("Name", bound=Hashable)

SECONDS = 0.6
"""Time for all turns of one comparison, unless the fewest calls take longer."""
FEWEST = 5
"""Turns of each model at least."""
_TURN = 0.004  # seconds of a turn: many calls of a small model, one of a large one
_WARM_UP = 0.02


def latency_name(runtime: str, threads: int, batch: int = 1) -> str:
    """The name of a measurement in `report.json`: `litert-1`, or `litert-2-batch32`."""
    return f"{runtime}-{threads}" + (f"-batch{batch}" if batch != 1 else "")


def compare(calls: Mapping[Name, Call], seconds: float | None = None) -> dict[Name, Latency]:
    """Times functions by turns, warm, in this process.

    A turn is a few milliseconds of calls of one function, of which the first, that finds another's
    data in the processor's caches, does not count; the order goes back and forth.

    Args:
        calls: Functions that run a model once, by name.
        seconds: How long to go on, by default `SECONDS`; each has at least 5 turns.

    Returns:
        Milliseconds of a single call, by name: median, 10th and 90th percentile of all of them.
    """
    limit = SECONDS if seconds is None else seconds
    repeats = {name: _calls_in_turn(call) for name, call in calls.items()}
    times: dict[Name, list[np.ndarray]] = {name: [] for name in calls}
    order = list(calls)
    start, turns = time.perf_counter(), 0
    while turns < FEWEST or time.perf_counter() - start < limit:
        for name in order:
            times[name].append(_turn(calls[name], repeats[name]))
        order.reverse()
        turns += 1
    return {name: _summary(np.concatenate(some)) for name, some in times.items()}


def _calls_in_turn(call: Call) -> int:
    """How many calls fill a turn; warms the function up."""
    start, done = time.perf_counter(), 0
    while done < 2 or time.perf_counter() - start < _WARM_UP:
        begun = time.perf_counter()
        call()
        last, done = time.perf_counter() - begun, done + 1
    return max(1, min(1000, round(_TURN / max(last, 1e-7))))


def _turn(call: Call, repeats: int) -> np.ndarray:
    """Seconds of each call of a turn."""
    stamps = np.empty(repeats + 1)
    call()
    stamps[0] = time.perf_counter()
    for number in range(1, repeats + 1):
        call()
        stamps[number] = time.perf_counter()
    return np.diff(stamps)


def _summary(seconds: np.ndarray) -> Latency:
    low, median, high = np.percentile(seconds * 1000, (10, 50, 90))
    return Latency(median=float(median), p10=float(low), p90=float(high))
