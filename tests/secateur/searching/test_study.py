"""The strategies of Optuna on functions in place of trainings: found, stopped, resumed, shared."""

from __future__ import annotations

import functools
import multiprocessing
import os

import numpy as np
import pytest

from secateur.searching.candidate import Outcome
from secateur.searching.goal import Goal
from secateur.searching.noise import Estimate
from secateur.searching.study import Study
from secateur.searching.target_config import by_layer
from secateur.sparsity.config import TargetConfig

BASE = TargetConfig(ratio=0.5)
SIZES = {"large": 1000, "small": 100}


def _study(tmp_path, goal=None, **changes):
    options = {
        "method": "tpe",
        "trials": 12,
        "rungs": (1, 3),
        "storage": str(tmp_path / "study.log"),
        "name": "a",
        "cost": "bytes",
        "dense": 1100.0,
        "seed": 0,
    }
    goal = goal or Goal("bytes", 0.02, {}, 0.95)
    make = functools.partial(by_layer, BASE)
    start = [{"large": 0.5, "small": 0.5}]
    return Study(goal, make, list(SIZES), start, **{**options, **changes})


def _outcome(candidate):
    """Removing from `large` costs little accuracy, removing from `small` much; training helps."""
    ratios = candidate.target.allocation
    left = sum(size * (1 - ratios[name]) for name, size in SIZES.items())
    drop = 0.015 * ratios["large"] ** 4 + 0.05 * ratios["small"] ** 2
    drop += 0.01 * (3 - candidate.rungs[-1])
    return Outcome(candidate, {"bytes": left}, [np.ones(3, bool)], Estimate(drop, 0.0))


def _run(study, log=None, most=1):
    told = {}
    while asked := study.ask(most):
        for candidate in asked:
            if log is not None:
                log.append((candidate.number, candidate.rungs))
            outcome = _outcome(candidate)
            study.tell(outcome)
            told[candidate.number] = outcome
    return told


@pytest.mark.parametrize(("method", "most"), [("tpe", 3), ("nsga2", 1)])
def test_finds_ratios_that_differ_by_layer(tmp_path, method, most):
    goal = Goal("bytes", 0.02, {}, 0.95)
    study = _study(tmp_path, goal, method=method, trials=30)
    told = _run(study, most=most)
    assert len(told) == 30
    ranked = goal.ranked([o for n, o in told.items() if study.why(n) is None])
    best = ranked[0].candidate.target.allocation
    assert best["large"] > best["small"]
    assert ranked[0].costs["bytes"] < 600


def test_a_limit_on_costs_is_kept(tmp_path):
    goal = Goal(None, None, {"bytes": 500}, 0.95)
    study = _study(tmp_path, goal, trials=15)
    told = _run(study)
    kept = [o for n, o in told.items() if study.why(n) is None and goal.within_limits(o)]
    assert min(o.drop.value for o in kept) < 0.05


def test_bad_candidates_are_stopped_after_a_rung(tmp_path):
    log = []
    study = _study(tmp_path, trials=15)
    told = _run(study, log)
    stopped = [number for number in told if study.why(number)]
    assert len(stopped) > 4
    assert all(told[number].candidate.rungs == (1,) for number in stopped)
    assert all(told[n].candidate.rungs == (1, 3) for n in told if n not in stopped)
    assert "went on" in study.why(stopped[0])
    assert len(log) == len(set(log))


def test_a_finished_study_is_read_again_without_new_trials(tmp_path):
    first = _run(_study(tmp_path))
    again = _run(_study(tmp_path))
    assert {n: o.candidate for n, o in again.items()} == {n: o.candidate for n, o in first.items()}
    more = _run(_study(tmp_path, trials=14))
    assert set(more) == set(range(14))


def test_another_search_has_a_study_of_its_own(tmp_path):
    _run(_study(tmp_path))
    assert set(_run(_study(tmp_path, name="b", trials=3))) == {0, 1, 2}


def _half(folder, log):
    """Runs some trials, and dies in the middle of one."""
    study = _study(folder)
    for _ in range(7):
        (candidate,) = study.ask(1)
        log.append((candidate.number, candidate.rungs))
        study.tell(_outcome(candidate))
    (candidate,) = study.ask(1)
    log.append((candidate.number, candidate.rungs, "killed"))
    os._exit(9)


def test_killed_and_started_again_no_trial_is_lost_or_repeated(tmp_path):
    with multiprocessing.get_context("fork").Manager() as manager:
        log = manager.list()
        process = multiprocessing.get_context("fork").Process(target=_half, args=(tmp_path, log))
        process.start()
        process.join(60)
        assert process.exitcode == 9
        before = list(log)
    *done, (killed, rungs, _) = before
    after = []
    told = _run(_study(tmp_path), after)
    assert set(told) == set(range(12))
    assert killed in {number for number, _ in after}
    assert rungs == (1,) or (killed, (1,)) in done
    whole = _study(tmp_path)
    numbers = [candidate.number for candidate in whole.ask(99)]
    assert sorted(numbers) == list(range(12))


def test_two_searches_share_a_study(tmp_path):
    one, other = _study(tmp_path), _study(tmp_path)
    (a,), (b,) = one.ask(1), one.ask(1)
    assert a.number != b.number
    for candidate in (a, b):
        one.tell(_outcome(candidate))
    seen = other.ask(2)
    assert {candidate.number for candidate in seen} == {a.number, b.number}


@pytest.mark.slow
def test_a_data_base_serves_as_well(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    assert len(_run(_study(tmp_path, storage=url, trials=4))) == 4
    assert len(_run(_study(tmp_path, storage=url, trials=5))) == 5


def test_a_failed_candidate_is_told_and_does_not_count_as_kept(tmp_path):
    study = _study(tmp_path, trials=4)
    (candidate,) = study.ask(1)
    study.tell(Outcome(candidate, {}, [], Estimate(1.0, 0.0), stopped="The loss became nan."))
    assert study.why(candidate.number) == "The loss became nan."
    assert len(_run(study)) == 3
