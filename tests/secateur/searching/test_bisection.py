"""Bisection against looking at every waypoint."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from secateur.searching.bisection import Bisection
from secateur.searching.candidate import Outcome
from secateur.searching.goal import Goal
from secateur.searching.noise import Estimate
from secateur.searching.schema import Prediction, Waypoint, Waypoints
from secateur.searching.turns import Turns
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
    waypoints, numbers = _waypoints(5), itertools.count()
    goal = Goal(None, None, {"flops": 9_800}, 0.95)
    both = Turns([Bisection(goal, waypoints, numbers) for _ in range(2)])
    tried = _run(both, waypoints, lambda p, _: ({"flops": 10_000 - 100 * (p + 1)}, 0.0))
    assert tried == [(1, True), (1, True)]


@given(st.integers(1, 60), st.lists(st.integers(-1, 60), min_size=2, max_size=2), st.integers(1, 3))
def test_a_way_has_to_beat_the_one_before(number, last, most):
    """Each way keeps the drop up to a place of its own; the best of both is found."""
    goal, numbers = Goal("bytes", 0.01, {}, 0.95), itertools.count()
    waypoints = _waypoints(number)
    ways = [Bisection(goal, waypoints, numbers) for _ in range(2)]
    both, best, tried = Turns(ways), [-1, -1], []
    while asked := both.ask(most):
        for candidate in asked:
            place = _place(waypoints, candidate)
            way = 0 if ways[0].has(candidate.number) else 1
            tried.append((way, place))
            kept = place <= last[way]
            both.tell(Outcome(candidate, {}, [], Estimate(0.0 if kept else 0.05, 0.0)))
            best[way] = max(best[way], place if kept else -1)
    ends = [min(place, number - 1) for place in last]
    assert max(best) == max(*ends, -1)
    assert all(place > ends[0] for way, place in tried if way == 1)
    if ends[1] <= ends[0] < number - 1:
        assert sum(way for way, _ in tried) == 1 or ends[0] == -1
    assert len(set(tried)) == len(tried)


@given(st.integers(1, 60), st.integers(0, 60), st.data())
def test_what_is_refuted_gives_way_to_what_costs_more(number, last, data):
    """After all trials are over, the best is refuted; what is found then is below the refuted."""
    goal, waypoints = Goal("bytes", 0.01, {}, 0.95), _waypoints(number)
    truth = data.draw(st.integers(-1, last))
    both, kept, tried = Turns([Bisection(goal, waypoints)]), {}, []
    limit = last
    for _ in range(number + 2):
        while asked := both.ask(1):
            (candidate,) = asked
            place = _place(waypoints, candidate)
            tried.append(place)
            good = place <= limit
            if good:
                kept[place] = candidate.number
            both.tell(Outcome(candidate, {}, [], Estimate(0.0 if good else 0.05, 0.0)))
        if not kept or max(kept) <= truth:
            break
        both.refuted(kept.pop(max(kept)))
        limit = truth  # trials from now on say what fresh seeds say
    assert max(kept, default=-1) == min(truth, number - 1)
    assert len(set(tried)) == len(tried)


def test_what_costs_less_than_the_refuted_is_refuted_as_well():
    waypoints, goal = _waypoints(40), Goal("bytes", 0.01, {}, 0.95)
    strategy = Bisection(goal, waypoints)
    tried = _run(strategy, waypoints, lambda p, _: ({}, 0.0 if p <= 30 else 0.05))
    places = [place for place, _ in tried]
    assert strategy.cheapest == 999 - 30
    refuted = max(place for place in places if place < 30)
    strategy.refuted(places.index(refuted))
    assert strategy.cheapest is None or strategy.cheapest > 999 - refuted
    again = _run(strategy, waypoints, lambda p, _: ({}, 0.0))
    assert again == [] or max(place for place, _ in again) < refuted


def test_a_model_whose_costs_were_refuted_is_followed_by_the_next():
    waypoints, goal = _waypoints(20), Goal(None, None, {"bytes": 900}, 0.95)
    strategy = Bisection(goal, waypoints)
    tried = _run(strategy, waypoints, lambda p, _: ({"bytes": 1000 - 10 * p}, 0.0))
    assert tried[-1] == (10, True)
    strategy.refuted(len(tried) - 1)
    again = _run(strategy, waypoints, lambda p, _: ({"bytes": 1000 - 10 * p}, 0.0))
    assert again == [(11, True)]


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
