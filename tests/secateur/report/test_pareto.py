"""The Pareto front against its definition, and the figures of a sweep."""

from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st

from secateur.evaluation.schema import Cost, Evaluation, FileSize, Score
from secateur.report.pareto import pareto_front
from secateur.report.sweep import (
    SweepReport,
    Variant,
    best_trial,
    dense_figures,
    done,
    figures_of,
    fronts_of,
)

_small = st.integers(0, 4).map(float)


@given(st.lists(st.tuples(_small, _small), max_size=12))
def test_the_front_is_what_no_point_beats(points):
    def beats(a, b):
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    expected = {i for i, p in enumerate(points) if not any(beats(q, p) for q in points)}
    front = pareto_front(points)
    assert set(front) == expected
    assert len(front) == len(expected)
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)


def _cost(nonzero, accuracy):
    return Cost(
        loss=0.5,
        metrics={"accuracy": accuracy},
        parameters=120,
        prunable=100,
        nonzero=nonzero,
        flops=200,
        bytes={"keras": FileSize(raw=1000, gzip=10 * nonzero)},
        latency_ms=None,
    )


def _evaluation(nonzero, accuracy, validation):
    score = Score(loss=0.5, metrics={"accuracy": validation})
    return Evaluation(cost=_cost(nonzero, accuracy), validation=score, layers=[], notices=[])


def _trial(variant, seed, nonzero, accuracy, validation):
    evaluations = {
        "dense": _evaluation(100, 0.9, 0.9),
        "pruned": _evaluation(nonzero, 0.2, 0.2),
        "fine_tuned": _evaluation(nonzero, accuracy, validation),
    }
    values = {"target.ratio": 1 - nonzero / 100, "fine_tune.seed": seed}
    return done(f"v{variant} s{seed}", values, variant, f"{variant}{seed}", evaluations)


TRIALS = [
    _trial(0, 0, 50, 0.90, 0.88),
    _trial(0, 1, 50, 0.80, 0.92),
    _trial(1, 0, 10, 0.70, 0.60),
    _trial(1, 1, 10, 0.60, 0.70),
    _trial(2, 0, 20, 0.99, 0.50),
]


def _variants():
    members = [[trial for trial in TRIALS if trial.variant == place] for place in range(3)]
    return [
        Variant(name=str(place), values={}, figures=figures_of(trials))
        for place, trials in enumerate(members)
    ]


def test_figures_are_means_and_sample_deviations():
    figures = _variants()[0].figures
    assert figures["test"].mean == statistics.fmean([0.9, 0.8])
    assert figures["test"].std == statistics.stdev([0.9, 0.8])
    assert figures["test"].trials == 2
    assert figures["sparsity"].mean == 0.5
    assert figures["bytes_gzip"].mean == 500
    assert _variants()[2].figures["test"].std == 0


def test_fronts_are_chosen_by_validation_not_by_test():
    variants = _variants()
    assert fronts_of(variants)["nonzero"] == [1, 0]  # 2 is best on test, but not on validation


def test_of_an_error_a_lower_one_is_better():
    assert fronts_of(_variants(), higher=False)["nonzero"] == [1, 2]
    assert best_trial(TRIALS[:2], higher=False) is TRIALS[0]


def test_a_cost_that_does_not_differ_puts_nobody_on_a_front():
    report = SweepReport(
        parameters={},
        axes={},
        metric="accuracy",
        dense=dense_figures(TRIALS),
        trials=TRIALS,
        variants=_variants(),
        fronts=fronts_of(_variants()),
        notices=[],
    )
    assert report.on_a_front == [0, 1]
    assert report.dense["test"].trials == 1  # one dense model, however many trials


def test_the_best_trial_is_the_best_on_validation():
    assert best_trial(TRIALS[:2]) is TRIALS[1]
