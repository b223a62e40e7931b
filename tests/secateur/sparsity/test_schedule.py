"""Rounds and the cubic curve against their formulas."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.sparsity.config import TargetConfig
from secateur.sparsity.schedule import Gradual, at_share, geometric, gradual, ratios, rounds

quick = settings(deadline=None, max_examples=60)


@quick
@given(st.floats(0, 0.999), st.integers(1, 12))
def test_each_round_removes_the_same_share_of_what_is_left(ratio, count):
    steps = geometric(ratio, count)
    assert len(steps) == count
    assert steps[-1] == ratio
    left = [1.0, *(1 - step for step in steps)]
    for before, after in itertools.pairwise(left):
        assert after / before == pytest.approx((1 - ratio) ** (1 / count))


def test_rounds_of_a_target():
    target = TargetConfig(ratio=0.9, schedule="iterative", rounds=3, allocation="lamp")
    steps = rounds(target)
    assert [step.ratio for step in steps] == list(geometric(0.9, 3)) == list(ratios(target))
    assert {(step.schedule, step.allocation) for step in steps} == {("one_shot", "lamp")}
    layers = TargetConfig(allocation={"a": 0.75, "b": 0}, schedule="iterative", rounds=2)
    assert [step.allocation for step in rounds(layers)] == [{"a": 0.5, "b": 0}, {"a": 0.75, "b": 0}]
    one = TargetConfig(threshold=0.5)
    assert rounds(one) == (one,)
    with pytest.raises(ValueError, match="no overall ratio"):
        ratios(one)
    with pytest.raises(ValueError, match="no rounds"):
        rounds(TargetConfig(ratio=0.5, schedule="gradual"))


@quick
@given(st.integers(0, 50), st.integers(1, 200), st.integers(1, 40))
def test_the_cubic_curve(begin, length, frequency):
    curve, steps = Gradual(begin, begin + length, frequency), begin + length + 5
    shares = [curve.share_at(step) for step in range(steps)]
    for step, share in enumerate(shares):
        done = min(max((step - begin) / length, 0), 1)
        final, initial = 1.0, 0.0
        assert share == pytest.approx(final + (initial - final) * (1 - done) ** 3)
    assert shares == sorted(shares)
    due = {*range(begin, begin + length, frequency), begin + length}
    for step in range(steps):
        assert curve.updates(step) == sum(some <= step for some in due)


@quick
@given(st.integers(2, 10_000), st.floats(0, 0.98), st.floats(0.01, 1))
def test_a_gradual_target_always_ends_at_its_ratio(steps, begin, width):
    target = TargetConfig(
        ratio=0.9, schedule="gradual", begin=begin, end=min(1.0, begin + width), frequency=7
    )
    try:
        curve = gradual(target, steps)
    except ValueError as error:
        assert "too few" in str(error)  # noqa: PT017
        assert round(begin * steps) >= steps - 1
        return
    assert curve.share_at(steps - 1) == 1
    assert curve.end < steps


def test_bad_schedules():
    with pytest.raises(ValueError, match="begin < end"):
        Gradual(5, 5, 1)
    with pytest.raises(ValueError, match="not gradual"):
        gradual(TargetConfig(ratio=0.5), 100)


def test_a_step_of_a_gradual_target():
    target = TargetConfig(ratio=0.9, schedule="gradual", allocation="erk", pattern="1x4")
    step = at_share(target, 0.5)
    assert (step.ratio, step.schedule, step.allocation) == (0.45, "one_shot", "erk")
    layers = TargetConfig(allocation={"a": 0.5}, schedule="gradual")
    assert at_share(layers, 1.0).allocation == {"a": 0.5}
