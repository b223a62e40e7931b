from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secateur.searching.halving import Halving, default_rungs


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_best_third_so_far_goes_on(values):
    halving = Halving((1, 3, 9))
    for number, value in enumerate(values):
        why = halving.decide(number, 1, value)
        seen = values[: number + 1]
        better = sum(other < value for other in seen)
        assert (why is None) == (len(seen) < 3 or better < len(seen) // 3)


def test_at_the_last_rung_nobody_is_stopped():
    halving = Halving((1, 3))
    assert all(halving.decide(number, 3, float(number)) is None for number in range(9))


def test_the_reason():
    halving = Halving((1, 3))
    why = [halving.decide(number, 1, value) for number, value in enumerate((0.1, 0.2, 0.3))]
    assert why == [None, None, "after 1 of 3 epochs it was number 3 of 3; the best 1 went on"]


def test_hearing_of_one_again_changes_nothing():
    halving = Halving((1, 3))
    for _ in range(2):
        found = [halving.decide(number, 1, value) for number, value in enumerate((0.3, 0.2, 0.1))]
    assert found[2] is None


def test_default_rungs():
    assert default_rungs(9) == (1, 3, 9)
    assert default_rungs(10) == (1, 3, 10)
    assert default_rungs(2) == (1, 2)
    assert default_rungs(1) == (1,)
