"""What a search does with what fresh seeds say, with trials that are looked up instead of run."""

from __future__ import annotations

import numpy as np
import pytest

from secateur.searching.bisection import Bisection
from secateur.searching.candidate import Outcome
from secateur.searching.curves import Sensitivity
from secateur.searching.goal import Goal
from secateur.searching.noise import Estimate
from secateur.searching.pattern_search import PatternSearch, StepFound
from secateur.searching.schema import Prediction, Waypoint, Waypoints
from secateur.sparsity.config import TargetConfig

NUMBER = 40
FIRST, FRESH = [0], [1000]


class _Trials:
    """Drops by place and seed; costs by place."""

    def __init__(self, drop, error=0.0):
        self.drop, self.error, self.fresh = drop, error, []

    def run(self, candidates, seeds):
        found = []
        for candidate in candidates:
            place = round(candidate.target.ratio * (NUMBER + 1)) - 1
            if seeds == FRESH:
                self.fresh.append(place)
            drop = Estimate(self.drop(place, seeds == FRESH), self.error)
            costs = {"flops": _flops(place)}
            found.append(Outcome(candidate, costs, [np.ones(3, bool)], drop))
        return found


def _flops(place):
    return 1000 * 0.93**place


def _path(drop, goal=None, error=0.0):
    points = [
        Waypoint(
            target=TargetConfig(ratio=round((place + 1) / (NUMBER + 1), 6)),
            cost=Prediction(parameters=1, nonzero=1, flops=int(1e6 * 0.93**place)),
        )
        for place in range(NUMBER)
    ]
    dense = Prediction(parameters=1, nonzero=1, flops=1_100_000)
    goal = goal or Goal("flops", 0.01, {}, 0.95)
    curves = Sensitivity(pattern="channel", accuracy=1, loss=0, examples=3, curves=[])
    strategy = Bisection(goal, Waypoints(dense=dense, measure="flops", points=points))
    trials = _Trials(drop, error)
    path = PatternSearch(StepFound("channel", goal, curves), trials.run, strategy, FIRST, 1)
    path.walk()
    return path, trials


def test_the_best_that_fresh_seeds_confirm_is_the_end():
    path, trials = _path(lambda place, fresh: 0.0 if place <= 23 else 0.05)
    notices = []
    fresh = path.confirm(FRESH, notices)
    assert trials.fresh == [23]
    assert fresh.candidate.number == path.step.chosen
    assert notices == []


@pytest.mark.parametrize("truth", [20, 15, 8])
def test_after_a_refutation_it_goes_back_further_each_time(truth):
    """The first seeds were lucky up to 30; fresh ones say the truth."""
    path, trials = _path(lambda place, fresh: 0.0 if place <= (truth if fresh else 30) else 0.05)
    notices = []
    fresh = path.confirm(FRESH, notices)
    assert trials.fresh[0] == 30
    assert trials.fresh == sorted(trials.fresh, reverse=True)
    for before, after in zip(trials.fresh[:-1], trials.fresh[1:], strict=True):
        least = min(place for place, _ in _kept(path))
        assert _flops(after) >= 1.1 * _flops(before) or after == least
    assert len(notices) == len(trials.fresh) - 1
    assert len(path.step.fresh) == len(notices)
    assert trials.fresh[-1] <= truth
    assert path.step.chosen == fresh.candidate.number


def _kept(path):
    for outcome in path.step.ranked:
        yield round(outcome.candidate.target.ratio * (NUMBER + 1)) - 1, outcome


def test_where_nothing_is_sure_the_likeliest_on_fresh_seeds_counts():
    path, trials = _path(lambda place, fresh: 0.001 * place - 0.02, error=0.05)
    assert path.step.ranked == []
    assert path.confirm(FRESH, []) is None
    likely = path.likeliest(FRESH)
    assert len(trials.fresh) == 2
    assert likely.drop.value == min(0.001 * place - 0.02 for place in trials.fresh)
    assert path.step.chosen == likely.candidate.number


def test_what_loses_too_much_by_estimate_is_never_likely():
    path, trials = _path(lambda place, fresh: 0.02, error=0.05)
    assert path.confirm(FRESH, []) is None
    assert path.likeliest(FRESH) is None
    assert trials.fresh == []
    assert path.nearest().startswith("the best, ")
    assert "loses 2.00 points" in path.nearest()


def test_costs_are_not_likely_but_known():
    path, _ = _path(lambda place, fresh: 0.0, Goal(None, None, {"flops": 1.0}, 0.95))
    assert path.confirm(FRESH, []) is None
    assert path.likeliest(FRESH) is None
    assert "FLOPs where 1 are allowed" in path.nearest() or "nothing to try" in path.nearest()
