"""How long a cut model takes, beside the model that it was cut from."""

from __future__ import annotations

import statistics
import time

import keras
import numpy as np

from secateur.evaluation.litert import Runner, convert, input_structure

ROUNDS = 15
SLICE = 0.004
"""Seconds that each model runs at a time: many calls of a small one, so that the clock is exact."""


class LiteRTLatency:
    """Model -> milliseconds of one example in LiteRT on one thread: the measure "latency".

    A cut model and the original run by turns, and the median of the rounds' ratios counts: what
    else the machine does slows both down. Inputs are zeros, on which dense kernels are as slow as
    on anything else.

    Args:
        model: The model that is cut, built and Functional or Sequential.

    Attributes:
        whole: Milliseconds of the original.

    Raises:
        ValueError: If the model cannot be converted to LiteRT, or a size of its input is open.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        for x in keras.tree.flatten(input_structure(model)):
            if None in x.shape[1:]:
                raise ValueError(
                    f"The latency of '{model.name}' cannot be measured: its input '{x.name}' has "
                    f"the shape {tuple(x.shape)}, in which a size is open; use measure flops."
                )
        self._runner = _runner(model)
        self._calls = _calls(self._runner)
        self.whole = 1000 * statistics.median(self._seconds() for _ in range(ROUNDS))

    def __call__(self, model: keras.Model) -> float:
        if model is self._model:
            return self.whole
        runner = _runner(model)
        calls = _calls(runner)
        ratios = [_seconds(runner, calls) / self._seconds() for _ in range(ROUNDS)]
        return self.whole * statistics.median(ratios)

    def _seconds(self) -> float:
        return _seconds(self._runner, self._calls)


def _runner(model: keras.Model) -> Runner:
    runner = Runner(convert(model))
    runner(
        [np.zeros((1, *x.shape[1:]), x.dtype) for x in keras.tree.flatten(input_structure(model))]
    )
    return runner


def _calls(runner: Runner) -> int:
    """How many calls fill a slice of time."""
    return max(1, round(SLICE / _seconds(runner, 3)))


def _seconds(runner: Runner, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        runner.invoke()
    return (time.perf_counter() - start) / calls
