"""The grid of a sweep: which trials it has, and what is refused."""

from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from secateur.flows.arguments import explain
from secateur.flows.parameters import PruneParameters
from secateur.flows.sweep_parameters import SweepParameters


def _grid(sweep, **groups):
    return SweepParameters.model_validate({"sweep": sweep, **groups}).check()


def test_every_combination_is_a_trial():
    ratios, criteria, seeds = [0.5, 0.9], ["gradient", "magnitude"], [0, 1, 2]
    sweep = {
        "target": {"ratio": ratios},
        "importance": {"criterion": criteria},
        "fine_tune": {"seed": seeds},
    }
    grid = _grid(sweep, seed=5, train={"epochs": 3})
    found = {
        (t.parameters.target.ratio, t.parameters.importance.criterion, t.parameters.fine_tune.seed)
        for t in grid.trials
    }
    assert found == set(itertools.product(ratios, criteria, seeds))
    assert len(grid.trials) == 12
    assert all(t.parameters.seed == 5 and t.parameters.train.epochs == 3 for t in grid.trials)
    assert len({t.name for t in grid.trials}) == 12
    assert grid.notices == []


def test_a_group_inside_a_group_has_axes():
    distill = {"weight": [0, 0.5], "temperature": [2, 4]}
    trials = _grid({"fine_tune": {"distill": distill}}, target={"ratio": 0.9}).trials
    found = [t.parameters.fine_tune.distill for t in trials]
    assert {(d.weight, d.temperature) for d in found} == {(0, 2), (0, 4), (0.5, 2), (0.5, 4)}
    assert trials[0].name == "weight=0 temperature=2"
    assert trials[0].values == {
        "fine_tune.distill.weight": 0,
        "fine_tune.distill.temperature": 2,
    }


def test_a_trial_is_what_prune_would_take():
    (trial,) = _grid({"target": {"ratio": [0.5]}}, fine_tune={"epochs": 2}).trials
    same = PruneParameters.model_validate({"target": {"ratio": 0.5}, "fine_tune": {"epochs": 2}})
    assert trial.parameters == same.resolved()


def test_ways_to_say_how_much_make_grids_of_their_own():
    grid = _grid(
        {"target": {"ratio": [0.5, 0.9], "threshold": [1.0, 2.0, 3.0]}}, target={"quantile": 0.5}
    )
    amounts = [(t.parameters.target.ratio, t.parameters.target.threshold) for t in grid.trials]
    assert amounts == [(0.5, None), (0.9, None), (None, 1.0), (None, 2.0), (None, 3.0)]
    assert all(t.parameters.target.quantile is None for t in grid.trials)


def test_an_axis_wins_over_what_all_trials_share():
    grid = _grid({"target": {"threshold": [1.0]}}, target={"ratio": 0.9, "allocation": "global"})
    assert grid.trials[0].parameters.target.ratio is None


def test_n_of_m_fixes_the_ratio_and_runs_once():
    grid = _grid({"target": {"ratio": [0.5, 0.9], "pattern": ["2:4", "weight"]}})
    assert [t.name for t in grid.trials] == [
        "pattern=2:4",
        "ratio=0.5 pattern=weight",
        "ratio=0.9 pattern=weight",
    ]
    assert grid.notices == ["Trials that the grid names more than once run once (1 fewer)."]


def test_duplicates_run_once_and_are_told():
    grid = _grid({"target": {"ratio": [0.5, 0.5, 0.9]}})
    assert len(grid.trials) == 2
    assert "(1 fewer)" in grid.notices[0]


def test_what_contradicts_itself_is_left_out_and_told():
    grid = _grid({"target": {"threshold": [0.5], "allocation": ["lamp", "global"]}})
    assert [t.parameters.target.allocation for t in grid.trials] == ["global"]
    assert "lamp" in grid.notices[0]


def test_variants_leave_seeds_out():
    grid = _grid({"target": {"ratio": [0.5]}, "fine_tune": {"seed": [0, 1]}, "seed": [3]})
    assert [t.variant for t in grid.trials] == [{"target.ratio": 0.5}] * 2
    assert grid.trials[0].name == "target.ratio=0.5 fine_tune.seed=0 seed=3"


def test_a_value_that_an_axis_replaces_is_told():
    grid = SweepParameters.model_validate(
        {
            "sweep": {"target": {"ratio": [0.5]}, "fine_tune": {"epochs": [1]}, "seed": [3]},
            "target": {"quantile": 0.4, "allocation": "uniform"},
            "fine_tune": {"epochs": 2},
            "seed": 1,
        }
    ).grid()
    (trial,) = grid.trials
    assert (trial.parameters.target.quantile, trial.parameters.target.ratio) == (None, 0.5)
    assert (trial.parameters.fine_tune.epochs, trial.parameters.seed) == (1, 3)
    assert trial.parameters.target.allocation == "uniform"
    told = [notice.partition(" is not used: the values of ") for notice in grid.notices]
    assert {(name, axis.split()[0]) for name, _, axis in told} == {
        ("target.quantile", "sweep.target.ratio"),
        ("fine_tune.epochs", "sweep.fine_tune.epochs"),
        ("seed", "sweep.seed"),
    }


def test_trials_that_differ_little_have_names_of_their_own():
    grid = _grid({"target": {"ratio": [0.12345678, 0.12345679]}})
    assert [t.name for t in grid.trials] == ["ratio=0.12345678", "ratio=0.12345679"]


BAD = [
    ({"sweep": {}}, "names no axis"),
    ({"sweep": {"target": {"ratio": []}}}, "sweep.target.ratio"),
    ({"sweep": {"target": {"ratio": [1.5]}}}, "less than 1"),
    ({"sweep": {"target": {"ration": [0.5]}}}, "sweep.target.ration is no parameter"),
    ({"sweep": {"targets": {"ratio": [0.5]}}}, "sweep.targets is no parameter"),
    ({"sweep": {"output": ["a", "b"]}}, "sweep.output is no parameter"),
    ({"sweep": {"seed": list(range(2000)), "target": {"ratio": [0.5]}}}, "2,000 trials"),
    ({"sweep": {"seed": [1]}}, "does not say how much"),
    ({"sweep": {"target": {"ratio": [0.5]}}, "runner": "dask"}, "address is missing"),
    ({"sweep": {"target": {"ratio": [0.5]}}, "address": "tcp://a:1"}, "use runner dask"),
    ({"sweep": {"target": {"ratio": [0.5]}}, "workers": 0}, "workers"),
    ({"sweep": {"dataset": {"name": ["mnst"]}, "target": {"ratio": [0.5]}}}, "Did you mean"),
]


@pytest.mark.parametrize(("given", "message"), BAD, ids=[message for _, message in BAD])
def test_what_cannot_work_is_refused_in_a_sentence(given, message):
    with pytest.raises(ValueError, match=r".") as refused:
        SweepParameters.model_validate(given).check()
    error = refused.value
    assert message in (explain(error) if isinstance(error, ValidationError) else str(error))


def test_a_million_trials_are_counted_not_made():
    sweep = {"seed": list(range(1000)), "fine_tune": {"seed": list(range(1000))}}
    with pytest.raises(ValueError, match="1,000,000 trials"):
        _grid({**sweep, "target": {"ratio": [0.5]}})
