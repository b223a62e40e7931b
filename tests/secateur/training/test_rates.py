"""Learning rates against the formulas, step by step."""

from __future__ import annotations

import math

import pytest

from secateur.training.fit_config import FitConfig
from secateur.training.rates import learning_rate


def _rates(steps, **fields):
    rate = learning_rate(FitConfig(learning_rate=0.2, **fields), steps)
    return [rate if isinstance(rate, float) else float(rate(step)) for step in range(steps)]


def _cosine(step, begin, end, top=0.2, low=0.0):
    return low + (top - low) * (1 + math.cos(math.pi * (step - begin) / (end - begin))) / 2


def test_a_constant_rate_is_a_number():
    assert learning_rate(FitConfig(learning_rate=0.2), 100) == 0.2


def test_a_constant_rate_can_be_warmed_up():
    expected = [0.2 * step / 10 for step in range(10)] + [0.2] * 30
    assert _rates(40, warmup=0.25) == pytest.approx(expected, rel=1e-5)


def test_cosine_falls_to_zero():
    expected = [_cosine(step, 0, 50) for step in range(50)]
    assert _rates(50, rate_schedule="cosine") == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_cosine_after_a_warm_up():
    expected = [0.2 * step / 5 for step in range(5)] + [_cosine(t, 5, 50) for t in range(5, 50)]
    got = _rates(50, rate_schedule="cosine", warmup=0.1)
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(("warmup", "rising"), [(0.0, 30), (0.5, 50)])
def test_one_cycle_rises_from_a_25th_and_falls_to_almost_nothing(warmup, rising):
    low, end = 0.2 / 25, 0.2 / 25 / 1e4
    expected = [low + (0.2 - low) * step / rising for step in range(rising)]
    expected += [_cosine(step, rising, 100, low=end) for step in range(rising, 100)]
    got = _rates(100, rate_schedule="one_cycle", warmup=warmup)
    assert got == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert max(got) == pytest.approx(0.2)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_few_steps_are_enough(steps):
    for name in ("constant", "cosine", "one_cycle"):
        assert all(0 <= r < 0.2001 for r in _rates(steps, rate_schedule=name, warmup=0.5))
