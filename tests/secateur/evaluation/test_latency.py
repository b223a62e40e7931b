"""Latencies are those of single calls, taken by turns."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from secateur.evaluation import latency
from secateur.evaluation.latency import compare, latency_name


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the calls under test move forward."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def lasting(*milliseconds):
        durations = itertools.cycle(milliseconds)

        def call():
            now[0] += next(durations) / 1000

        return call

    return lasting


def test_percentiles_are_those_of_single_calls(clock):
    found = compare({"even": clock(2.0), "uneven": clock(1.0, 2.0, 9.0)})
    assert (found["even"].p10, found["even"].median, found["even"].p90) == pytest.approx((2, 2, 2))
    uneven = found["uneven"]
    assert (uneven.p10, uneven.median, uneven.p90) == pytest.approx((1, 2, 9), abs=0.8)


def test_both_are_called_by_turns_equally_often_and_back_and_forth(clock):
    order = []

    def noted(name, call):
        def run():
            order.append(name)
            call()

        return run

    compare({"a": noted("a", clock(1.0)), "b": noted("b", clock(1.0))}, seconds=0.1)
    warm = order.index("b")
    turns = [(name, len(list(calls))) for name, calls in itertools.groupby(order[2 * warm :])]
    assert turns[0] == ("a", 5)  # one that does not count, and four milliseconds of calls
    assert {name for name, _ in turns} == {"a", "b"}
    assert all(count in (5, 10) for _, count in turns)  # back and forth: twice the same in a row
    assert abs(order.count("a") - order.count("b")) <= 5


def test_a_slow_model_has_the_fewest_turns_and_no_more(clock):
    slow = clock(3000.0)
    calls = 0

    def counted():
        nonlocal calls
        calls += 1
        slow()

    compare({"slow": counted}, seconds=1.0)
    assert calls == 2 + 2 * latency.FEWEST


def test_a_slower_function_is_found_slower():
    big, small = np.ones((300, 300)), np.ones((20, 20))
    found = compare({"big": lambda: big @ big, "small": lambda: small @ small}, seconds=0.05)
    assert found["big"].median > 2 * found["small"].median


def test_names_say_runtime_threads_and_a_batch_that_is_not_one():
    assert latency_name("litert", 1) == "litert-1"
    assert latency_name("onnxruntime", 2, 32) == "onnxruntime-2-batch32"
