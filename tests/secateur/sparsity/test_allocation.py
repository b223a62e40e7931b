"""ERK and LAMP against transcriptions of their formulas; apportionment against brute force."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.sparsity.allocation import apportion, lamp_scores
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import guess
from secateur.sparsity.select import select

quick = settings(deadline=None, max_examples=60)
shapes = st.lists(
    st.lists(st.integers(1, 12), min_size=2, max_size=4).map(tuple), min_size=1, max_size=5
)


def erk_densities(kernels, density):
    """Evci et al. 2020: densities ε·(Σ sizes / Π sizes); layers that would pass 1 stay dense."""
    dense = set()
    while True:
        rest = [i for i in range(len(kernels)) if i not in dense]
        if not rest:
            return [1.0] * len(kernels)
        budget = density * sum(map(math.prod, kernels)) - sum(math.prod(kernels[i]) for i in dense)
        raw = [sum(kernel) / math.prod(kernel) for kernel in kernels]
        epsilon = budget / sum(raw[i] * math.prod(kernels[i]) for i in rest)
        too_dense = [i for i in rest if epsilon * raw[i] > 1 + 1e-12]
        if not too_dense:
            return [1.0 if i in dense else epsilon * raw[i] for i in range(len(kernels))]
        dense.update(too_dense)


@quick
@given(shapes, st.floats(0.02, 0.98), st.integers(0, 2**32))
def test_erk(kernels, ratio, seed):
    random = np.random.default_rng(seed)
    scores = {f"{i}/kernel": random.random(shape) for i, shape in enumerate(kernels)}
    masks = select(scores, TargetConfig(ratio=ratio, allocation="erk"))
    total = sum(array.size for array in scores.values())
    wanted = min(round(ratio * total), total - len(scores))
    assert masks.size() - masks.kept() == wanted
    for i, density in enumerate(erk_densities(kernels, 1 - ratio)):
        # Whole numbers, an exact sum and the floor move a layer by the other layers' rounding.
        assert abs(masks.kept(f"{i}/kernel") - density * math.prod(kernels[i])) <= len(kernels) + 1


def lamp(values):
    """Lee et al. 2021, equation 5, weight by weight."""
    order = np.argsort(values, kind="stable")
    scores = np.empty(len(values))
    for u in range(len(values)):
        scores[order[u]] = values[order[u]] ** 2 / sum(values[v] ** 2 for v in order[u:])
    return scores


@quick
@given(
    st.lists(st.tuples(st.integers(1, 7), st.integers(1, 9)), min_size=1, max_size=4),
    st.floats(0, 0.99),
    st.integers(0, 2**32),
)
def test_lamp(kernels, ratio, seed):
    random = np.random.default_rng(seed)
    weights = {
        f"{i}/kernel": random.random(shape) * 10.0 ** random.uniform(-3, 3)
        for i, shape in enumerate(kernels)
    }
    masks = select(weights, TargetConfig(ratio=ratio, allocation="lamp"))
    scores = {path: lamp(array.reshape(-1)).reshape(array.shape) for path, array in weights.items()}
    expected = select(scores, TargetConfig(ratio=ratio))
    for path in weights:
        np.testing.assert_array_equal(masks[path], expected[path])


def test_lamp_of_extreme_scores():
    for values in ([0.0, 0.0, 0.0], [1e300, 2e300], [1e-300, 3e-300], [0.0, 1e-30, 1e30]):
        scores = lamp_scores(np.array(values))
        assert np.all(np.isfinite(scores))
        assert scores[-1] == 1
        assert np.all(np.diff(scores) >= 0)
    assert lamp_scores(np.array([])).size == 0


@quick
@given(
    st.lists(
        st.tuples(st.floats(0.01, 100), st.integers(0, 3), st.integers(0, 6)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 30),
)
def test_apportion_is_as_even_as_can_be(claims, total):
    weights = [claim[0] for claim in claims]
    low = [claim[1] for claim in claims]
    high = [claim[1] + claim[2] for claim in claims]
    shares = apportion(weights, total, low, high)
    total = min(max(total, sum(low)), sum(high))
    assert sum(shares) == total
    assert all(lo <= share <= hi for lo, share, hi in zip(low, shares, high, strict=True))

    def cost(some):
        """Webster's shares minimise Σ share²/weight."""
        return sum(share * share / weight for share, weight in zip(some, weights, strict=True))

    ranges = [range(lo, hi + 1) for lo, hi in zip(low, high, strict=True)]
    best = min(cost(some) for some in itertools.product(*ranges) if sum(some) == total)
    assert cost(shares) == pytest.approx(best)


@quick
@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 50)), min_size=1, max_size=6),
    st.integers(0, 200),
)
def test_no_share_shrinks_when_the_total_grows(claims, total):
    weights, high = [c[0] for c in claims], [c[1] for c in claims]
    less = apportion(weights, total, [0] * len(high), high)
    more = apportion(weights, total + 1, [0] * len(high), high)
    assert all(a <= b for a, b in zip(less, more, strict=True))


@pytest.mark.parametrize("pattern", ["weight", "channel", "1x1"])
def test_uniform_removes_the_same_share_of_each(pattern):
    scores = {f"{i}/kernel": np.random.default_rng(i).random((10, 10 * i)) for i in range(1, 4)}
    masks = select(scores, TargetConfig(ratio=0.7, allocation="uniform", pattern=pattern))
    assert {masks.sparsity(path) for path in scores} == {0.7}


def test_a_saturated_layer_passes_its_share_on():
    """A layer of two weights can give one; the rest comes from the others, exactly."""
    scores = {"small/kernel": np.ones((1, 2)), "large/kernel": np.ones((10, 10))}
    for allocation in ("uniform", "erk", "lamp", "global"):
        masks = select(scores, TargetConfig(ratio=0.98, allocation=allocation))
        assert masks.size() - masks.kept() == 100
        assert masks.kept("small/kernel") >= 1


def test_layouts_are_guessed_from_shapes():
    layout = guess("a/b/kernel", (3, 3, 4, 5))
    assert (layout.layer, layout.input_axes, layout.output_axes) == ("a/b", (2,), (3,))
    assert guess("v", (7,)).output_axes == (0,)
    assert guess("s", ()).size == 1
