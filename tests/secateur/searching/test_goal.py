from __future__ import annotations

import numpy as np

from secateur.searching.candidate import Candidate, Outcome
from secateur.searching.goal import Goal
from secateur.searching.noise import Estimate, drop
from secateur.sparsity.config import TargetConfig

DENSE = np.arange(1000) % 10 > 0  # 90 %


def _outcome(number, wrong_too=0, bytes_=100, tuned=True, stopped=None):
    right = DENSE.copy()
    right[np.flatnonzero(right)[:wrong_too]] = False
    candidate = Candidate(number, f"candidate {number}", TargetConfig(ratio=0.5), tuned)
    return Outcome(candidate, {"bytes": bytes_}, [right], drop(DENSE, [right]), stopped)


def test_the_margin_is_part_of_the_drop():
    goal = Goal("bytes", 0.02, {}, 0.95)
    outcome = _outcome(0, wrong_too=15)
    assert outcome.drop.value == 0.015
    assert goal.margin(outcome) > 0.005
    assert not goal.keeps(outcome)
    assert goal.keeps(_outcome(1, wrong_too=5))
    assert Goal("bytes", 0.03, {}, 0.95).keeps(outcome)


def test_what_was_stopped_or_not_tuned_does_not_count():
    goal = Goal("bytes", 0.02, {}, 0.95)
    assert goal.ranked([_outcome(0, tuned=False), _outcome(1, stopped="Slow.")]) == []


def test_the_cheapest_within_the_drop_comes_first():
    goal = Goal("bytes", 0.02, {}, 0.95)
    outcomes = [_outcome(0, 0, 90), _outcome(1, 5, 50), _outcome(2, 40, 20)]
    assert [o.candidate.number for o in goal.ranked(outcomes)] == [1, 0]
    assert goal.nearest(outcomes[2:]).candidate.number == 2


def test_of_equally_accurate_ones_the_cheapest_comes_first():
    goal = Goal(None, None, {"bytes": 100}, 0.95)
    outcomes = [_outcome(0, 0, 99), _outcome(1, 1, 60), _outcome(2, 60, 10), _outcome(3, 0, 101)]
    assert [o.candidate.number for o in goal.ranked(outcomes)] == [1, 0, 2]


def test_a_cost_that_is_unknown_keeps_no_limit():
    goal = Goal(None, None, {"flops": 100}, 0.95)
    candidate = Candidate(0, "a", TargetConfig(ratio=0.5))
    outcome = Outcome(candidate, {"flops": None}, [DENSE], Estimate(0.0, 0.0))
    assert not goal.keeps(outcome)


def test_certainty_is_the_confidence_that_a_drop_is_kept_with():
    outcome = _outcome(0, wrong_too=15)
    sure = Goal("bytes", 0.02, {}, 0.95).certainty(outcome)
    assert 0.5 < sure < 0.95
    assert Goal("bytes", 0.02, {}, sure - 1e-6).keeps(outcome)
    assert not Goal("bytes", 0.02, {}, sure + 1e-6).keeps(outcome)


def test_what_may_keep_the_budget_does_by_estimate():
    goal = Goal("bytes", 0.02, {}, 0.95)
    assert [goal.may_keep(_outcome(n, wrong_too=n)) for n in (15, 20, 21)] == [True, True, False]
    assert not goal.may_keep(_outcome(0, tuned=False))
    assert not goal.may_keep(_outcome(0, stopped="Slow."))


def test_a_failure_says_what_was_allowed():
    lost = Goal("bytes", 0.01, {}, 0.95).failure(_outcome(0, wrong_too=20))
    assert lost.startswith("loses 2.00 points")
    assert lost.endswith("where 1.00 are allowed")
    large = Goal(None, None, {"bytes": 99}, 0.95)
    assert large.failure(_outcome(0)) == "takes 100 bytes where 99 are allowed"
