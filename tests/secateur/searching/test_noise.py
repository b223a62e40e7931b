from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.searching.noise import drop, is_better, margin


@given(st.integers(2, 60), st.integers(1, 4), st.integers(0, 9))
def test_the_drop_is_the_difference_of_the_accuracies(examples, seeds, seed):
    rng = np.random.default_rng(seed)
    dense = rng.random(examples) < 0.9
    runs = [rng.random(examples) < 0.8 for _ in range(seeds)]
    found = drop(dense, runs)
    assert found.value == pytest.approx(dense.mean() - np.mean([run.mean() for run in runs]))
    assert found.error > 0


def test_equal_answers_leave_a_little_doubt():
    right = np.arange(100) % 10 > 0
    found = drop(right, [right])
    assert found.value == 0
    assert found.error == pytest.approx(np.sqrt(2 / 102 / 102))  # 1 and -1 among 102


def test_paired_differences_are_more_certain_than_unpaired_ones():
    rng = np.random.default_rng(0)
    dense = rng.random(1000) < 0.9
    pruned = dense.copy()
    pruned[:20] = False
    unpaired = np.sqrt(dense.var() / 1000 + pruned.var() / 1000)
    assert drop(dense, [pruned]).error < 0.5 * unpaired


def test_seeds_that_differ_add_to_the_error():
    rng = np.random.default_rng(0)
    dense = np.ones(1000, bool)
    alike = [rng.random(1000) < 0.9 for _ in range(3)]
    apart = [rng.random(1000) < share for share in (0.8, 0.9, 1.0)]
    assert drop(dense, apart).error > 3 * drop(dense, alike).error
    assert drop(dense, apart).error == pytest.approx(0.1 / np.sqrt(3), rel=0.2)


def test_the_bound_holds_as_often_as_it_says():
    """300 validation splits of models that really lose 2 points, 6 % of answers changing."""
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        kind = rng.choice(3, size=400, p=[0.94, 0.04, 0.02])
        dense = kind != 2
        pruned = np.where(kind == 0, dense, kind == 2)
        held += drop(dense, [pruned]).upper(0.95) >= 0.02
    assert 0.92 <= held / 300 <= 0.99


def test_better_means_beyond_the_noise():
    base = np.arange(400) % 10 > 0
    little, much = base.copy(), base.copy()
    little[:10] = True  # one more
    much[:200] = True  # twenty more
    assert not is_better([little], [base], 0.95)
    assert is_better([much], [base], 0.95)
    assert not is_better([base], [much], 0.95)


def test_margin():
    assert margin(0.01, 0.95) == pytest.approx(0.01645, abs=1e-5)
