"""Bisection against looking at every waypoint."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from secateur.search.bisection import Bisection
from secateur.search.candidate import Outcome
from secateur.search.goal import Goal
from secateur.search.noise import Estimate
from secateur.search.schema import Prediction, Waypoint, Waypoints
from secateur.search.turns import Turns
from secateur.sparsity.config import TargetConfig


def _waypoints(number, step=100):
    dense = Prediction(parameters=1000, nonzero=1000, flops=10_000)
    points = [
        Waypoint(
            target=TargetConfig(ratio=round((i + 1) / (number + 1), 4)),
            cost=Prediction(parameters=1000, nonzero=999 - i, flops=10_000 - step * (i + 1)),
        )
        for i in range(number)
    ]
    return Waypoints(dense=dense, measure="nonzero", points=points)


def _place(waypoints, candidate):
    return [p.target for p in waypoints.points].index(candidate.target)


def _run(strategy, waypoints, answer, most=1):
    """What was tried, as places, with whether it was fine-tuned."""
    tried = []
    while asked := strategy.ask(most):
        for candidate in asked:
            place = _place(waypoints, candidate)
            tried.append((place, candidate.tuned))
            costs, drop = answer(place, candidate.tuned)
            strategy.tell(Outcome(candidate, costs, [np.ones(3, bool)], Estimate(drop, 0.0)))
    return tried


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 4))
def test_finds_the_last_waypoint_within_the_drop(number, last, most):
    waypoints = _waypoints(number)
    strategy = Bisection(Goal("bytes", 0.01, {}, 0.95), waypoints)
    tried = _run(strategy, waypoints, lambda p, _: ({}, 0.0 if p < last else 0.05), most)
    kept = [place for place, _ in tried if place < last]
    wanted = min(last, number) - 1
    assert max(kept, default=-1) == wanted
    assert len(tried) <= (6 if most == 1 else 4 * most * 3)
    assert len(set(tried)) == len(tried)


@given(st.integers(1, 60), st.integers(0, 70))
def test_limits_that_are_predicted_need_one_training(number, least):
    waypoints = _waypoints(number)
    goal = Goal(None, None, {"flops": 10_000 - 100 * (least + 1)}, 0.95)
    tried = _run(
        Bisection(goal, waypoints), waypoints, lambda p, _: ({"flops": 10_000 - 100 * (p + 1)}, 0)
    )
    assert tried == ([(least, True)] if least < number else [])


@given(st.integers(1, 60), st.integers(0, 70))
def test_limits_that_are_measured_are_found_without_training(number, least):
    waypoints = _waypoints(number)
    goal = Goal(None, None, {"bytes": 1000 - 10 * least}, 0.95)
    tried = _run(
        Bisection(goal, waypoints), waypoints, lambda p, _: ({"bytes": 1000 - 10 * p}, 0.0)
    )
    tuned = [place for place, fine in tried if fine]
    assert tuned == ([least] if least < number else [])
    assert len(tried) - len(tuned) <= 6


def test_a_good_guess_saves_trials():
    waypoints = _waypoints(60)
    goal = Goal(None, None, {"bytes": 700}, 0.95)
    ways = [
        _run(
            Bisection(goal, waypoints, guess=guess),
            waypoints,
            lambda p, _: ({"bytes": 1000 - 10 * p}, 0.0),
        )
        for guess in (None, 31, 99)
    ]
    assert [tried[-1] for tried in ways] == [(30, True)] * 3
    assert ways[1][0] == (31, False)


def test_a_model_that_training_made_larger_is_followed_by_the_next():
    waypoints = _waypoints(20)
    goal = Goal(None, None, {"bytes": 900}, 0.95)
    tried = _run(
        Bisection(goal, waypoints),
        waypoints,
        lambda p, tuned: ({"bytes": 1000 - 10 * p + 15 * tuned}, 0.0),
    )
    assert [place for place, tuned in tried if tuned] == [10, 11, 12]


def test_turns_ask_one_after_the_other():
    waypoints = _waypoints(5)
    goal = Goal(None, None, {"flops": 9_800}, 0.95)
    both = Turns([Bisection(goal, waypoints), Bisection(goal, waypoints)])
    tried = _run(both, waypoints, lambda p, _: ({"flops": 10_000 - 100 * (p + 1)}, 0.0))
    assert tried == [(1, True), (1, True)]


def test_a_stopped_candidate_does_not_keep_the_budget():
    waypoints = _waypoints(3)
    strategy = Bisection(Goal("bytes", 0.01, {}, 0.95), waypoints)
    (candidate,) = strategy.ask(1)
    strategy.tell(Outcome(candidate, {}, [], Estimate(1.0, 0.0), stopped="The loss became nan."))
    (following,) = strategy.ask(1)
    assert _place(waypoints, following) < _place(waypoints, candidate)
    assert candidate.name.endswith("of the weights")
    assert candidate.name.startswith("99.8%")


def test_one_name_a_waypoint():
    waypoints = _waypoints(20)
    strategy = Bisection(Goal("bytes", 0.01, {}, 0.95), waypoints)
    names = [candidate.name for candidate in strategy.ask(10)]
    assert len(set(names)) == 10
