"""Selection of single weights against a plain sort of all scores put together."""

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.sparsity import cut
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import Layout
from secateur.sparsity.select import select

quick = settings(deadline=None, max_examples=60)


@st.composite
def scored_layers(draw, most=6):
    """A few layers of small integers as scores, so that ties abound."""
    shapes = draw(
        st.lists(st.tuples(st.integers(1, 7), st.integers(1, 9)), min_size=1, max_size=most)
    )
    top = draw(st.sampled_from([1, 3, 1000]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.float16]))
    names = draw(st.permutations([f"{chr(97 + i)}/kernel" for i in range(len(shapes))]))
    return {
        name: random.integers(0, top, shape, endpoint=True).astype(dtype)
        for name, shape in zip(names, shapes, strict=True)
    }


ratio_values = st.floats(0, 0.999)


def total(scores):
    return sum(array.size for array in scores.values())


def sorted_reference(scores, count, floor=1):
    """One sort of everything: (score, path, index) in ascending order, the best of each kept."""
    entries = sorted(
        (float(value), path, i)
        for path, array in scores.items()
        for i, value in enumerate(array.reshape(-1))
    )
    masks = {path: np.ones(array.size, bool) for path, array in scores.items()}
    best = set()
    for path in scores:
        best.update([(p, i) for _, p, i in entries if p == path][-floor:])
    removed = 0
    for _, path, i in entries:
        if removed < count and (path, i) not in best:
            masks[path][i] = False
            removed += 1
    return {path: masks[path].reshape(scores[path].shape) for path in scores}, removed


@settings(deadline=None, max_examples=200)
@given(
    scored_layers(),
    ratio_values,
    st.integers(1, 5),
    st.sampled_from([0, 6, 20, cut._SMALL]),
    st.sampled_from([8, 16, cut._CHUNK]),
)
def test_global_is_one_sort_of_everything(scores, ratio, floor, small, chunk):
    # Small sizes make what is drawn here large: it is streamed, sampled and bisected.
    with mock.patch.multiple(cut, _SMALL=small, _CHUNK=chunk, _STEP=3):
        masks = select(scores, TargetConfig(ratio=ratio, floor=floor))
    expected, removed = sorted_reference(scores, round(ratio * total(scores)), floor)
    for path in scores:
        np.testing.assert_array_equal(masks[path], expected[path])
    assert masks.size() - masks.kept() == removed


@quick
@given(scored_layers(), ratio_values, st.sampled_from(["global", "uniform", "erk", "lamp"]))
def test_the_ratio_is_met_exactly_and_no_layer_is_emptied(scores, ratio, allocation):
    masks = select(scores, TargetConfig(ratio=ratio, allocation=allocation))
    most = sum(array.size - 1 for array in scores.values())
    wanted = round(ratio * total(scores))
    assert masks.size() - masks.kept() == min(wanted, most)
    assert all(masks.kept(path) >= 1 for path in masks)
    assert any("cannot be met" in notice for notice in masks.notices) == (wanted > most)
    for path in scores:  # inside a layer, what goes is lowest
        gone, kept = scores[path][~masks[path]], scores[path][masks[path]]
        assert not gone.size or gone.max() <= kept.min()


@quick
@given(
    scored_layers(),
    st.lists(ratio_values, min_size=2, max_size=4),
    st.sampled_from(["global", "uniform", "erk", "lamp"]),
    st.integers(1, 4),
)
def test_masks_of_growing_ratios_are_nested(scores, ratios, allocation, floor):
    before = None
    for ratio in sorted(ratios):
        masks = select(scores, TargetConfig(ratio=ratio, allocation=allocation, floor=floor))
        if before is not None:
            assert all(np.all(masks[path] <= before[path]) for path in masks)
        before = masks


@quick
@given(
    scored_layers(), ratio_values, st.sampled_from(["global", "uniform", "erk", "lamp"]), st.data()
)
def test_the_order_of_the_layers_does_not_matter(scores, ratio, allocation, data):
    target = TargetConfig(ratio=ratio, allocation=allocation)
    other = {path: scores[path] for path in data.draw(st.permutations(list(scores)))}
    assert select(scores, target).digest() == select(other, target).digest()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0])
@pytest.mark.parametrize("pattern", ["weight", "1x2", "channel"])
def test_scores_that_cannot_be_ranked_are_refused(bad, pattern):
    scores = {"a/kernel": np.ones((4, 4), "float32"), "b/kernel": np.ones((4, 4), "float32")}
    scores["b/kernel"][2, 1] = bad
    with pytest.raises(ValueError, match=r"scores of b/kernel hold NaN, infinite or negative"):
        select(scores, TargetConfig(ratio=0.5, pattern=pattern))


@quick
@given(scored_layers(), st.floats(0, 4))
def test_a_threshold_removes_what_is_below_it(scores, threshold):
    masks = select(scores, TargetConfig(threshold=threshold))
    for path, array in scores.items():
        expected = array.astype(float) >= threshold
        if not expected.any():  # the floor keeps the best, the last of equal ones
            expected = np.zeros(array.size, bool)
            expected[array.size - 1 - np.argmax(array.reshape(-1)[::-1])] = True
        np.testing.assert_array_equal(masks[path].reshape(-1), expected.reshape(-1))
    assert f"a ratio of {masks.sparsity():.4f}" in masks.notices[-1]


@quick
@given(scored_layers(), st.floats(0, 0.999))
def test_a_quantile_keeps_equal_scores_together(scores, quantile):
    everything = np.sort(np.concatenate([a.reshape(-1).astype(float) for a in scores.values()]))
    threshold = everything[min(round(quantile * everything.size), everything.size - 1)]
    masks = select(scores, TargetConfig(quantile=quantile))
    by_threshold = select(scores, TargetConfig(threshold=threshold))
    assert masks.digest() == by_threshold.digest()
    each = select(scores, TargetConfig(quantile=quantile, allocation="uniform"))
    for path, array in scores.items():
        some = np.sort(array.reshape(-1).astype(float))
        at = some[min(round(quantile * some.size), some.size - 1)]
        np.testing.assert_array_equal(each[path], array.astype(float) >= at)


@quick
@given(scored_layers(), ratio_values, ratio_values)
def test_what_an_earlier_round_removed_stays_removed_and_counts(scores, first, second):
    first, second = sorted((first, second))
    before = select(scores, TargetConfig(ratio=first))
    anew = {path: array[::-1, ::-1].copy() for path, array in scores.items()}
    for allocation in ("global", "uniform", "erk", "lamp"):
        masks = select(anew, TargetConfig(ratio=second, allocation=allocation), within=before)
        assert all(np.all(masks[path] <= before[path]) for path in masks)
        most = total(scores) - len(scores)
        assert masks.size() - masks.kept() == min(round(second * total(scores)), most)


def layout(path, shape, kind="Dense"):
    return Layout(path.rpartition("/")[0], kind, shape, (len(shape) - 2,), (len(shape) - 1,))


SCORES = {
    "conv/kernel": np.arange(12.0).reshape(1, 3, 2, 2),
    "block/dense/kernel": np.arange(6.0).reshape(2, 3),
    "head/kernel": np.arange(4.0).reshape(2, 2),
}
LAYERS = {
    path: layout(path, array.shape, "Conv2D" if "conv" in path else "Dense")
    for path, array in SCORES.items()
}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        ({}, set(SCORES)),
        ({"include": ["Dense"]}, {"block/dense/kernel", "head/kernel"}),
        ({"include": ["dense"]}, {"block/dense/kernel"}),
        ({"include": ["block/*", "conv"]}, {"block/dense/kernel", "conv/kernel"}),
        ({"exclude": ["head"]}, {"block/dense/kernel", "conv/kernel"}),
        ({"include": ["Dense"], "exclude": ["h*"]}, {"block/dense/kernel"}),
    ],
)
def test_include_and_exclude_choose_layers(fields, selected):
    masks = select(SCORES, TargetConfig(ratio=0.5, **fields), layers=LAYERS)
    assert set(masks) == selected
    size = sum(SCORES[path].size for path in selected)
    assert masks.size() - masks.kept() == round(0.5 * size)


def test_globs_that_match_nothing_are_refused():
    with pytest.raises(ValueError, match=r"include 'dence' matches no layer.* Dense"):
        select(SCORES, TargetConfig(ratio=0.5, include=["dence"]), layers=LAYERS)
    with pytest.raises(ValueError, match="exclude 'x' matches no layer"):
        select(SCORES, TargetConfig(ratio=0.5, exclude=["x"]), layers=LAYERS)
    with pytest.raises(ValueError, match="selects no weights"):
        select(SCORES, TargetConfig(ratio=0.5, exclude=["*"]), layers=LAYERS)
    with pytest.raises(ValueError, match="allocation 'x' matches no layer"):
        select(SCORES, TargetConfig(allocation={"x": 0.5}), layers=LAYERS)


def test_an_allocation_by_layers_counts_the_longest_glob():
    target = TargetConfig(allocation={"*": 0.5, "block/*": 0.9, "block/dense": 0.2})
    masks = select(SCORES, target, layers=LAYERS)
    assert {p: masks.size(p) - masks.kept(p) for p in masks} == {
        "block/dense/kernel": round(0.2 * 6),
        "conv/kernel": 6,
        "head/kernel": 2,
    }
    only = select(SCORES, TargetConfig(allocation={"conv": 0.25}), layers=LAYERS)
    assert dict.fromkeys(only) == {"conv/kernel": None}
    with pytest.raises(ValueError, match="gives head two ratios"):
        select(SCORES, TargetConfig(allocation={"he*": 0.5, "*ad": 0.6}), layers=LAYERS)


def test_scores_of_another_model_are_refused():
    with pytest.raises(ValueError, match="no prunable weight of the model"):
        select({"z/kernel": np.ones((2, 2))}, TargetConfig(ratio=0.5), layers=LAYERS)
    with pytest.raises(ValueError, match=r"have the shape \(2, 2\).*\(2, 3\)"):
        select({"block/dense/kernel": np.ones((2, 2))}, TargetConfig(ratio=0.5), layers=LAYERS)


def test_a_floor_that_bites_is_said():
    scores = {"a/kernel": np.full((4, 4), 0.1), "b/kernel": np.full((10, 10), 1.0)}
    masks = select(scores, TargetConfig(ratio=0.5, floor=2))
    assert masks.kept("a/kernel") == 2
    assert masks.size() - masks.kept() == 58
    assert "a/kernel would have been emptied" in masks.notices[0]
    free = select(scores, TargetConfig(ratio=0.1))
    assert free.notices == ()


def test_notices_of_the_scores_are_passed_on():
    class Scores(dict):
        notices = ("a layer was skipped",)

    assert select(Scores(SCORES), TargetConfig(ratio=0.5)).notices == ("a layer was skipped",)


def test_no_scores_are_refused_with_what_the_criterion_said():
    class Scores(dict):
        notices = ("There is no BatchNormalization.",)

    with pytest.raises(ValueError, match=r"no scores to select by: There is no BatchNorm"):
        select(Scores(), TargetConfig(ratio=0.5))
    with pytest.raises(ValueError, match="the criterion gave none"):
        select({}, TargetConfig(ratio=0.5))


@pytest.mark.parametrize("small", [1000, cut._SMALL])
def test_large_arrays_with_every_kind_of_ties(small, monkeypatch):
    monkeypatch.setattr(cut, "_SMALL", small)  # to stream, or not, what is small enough for a test
    random = np.random.default_rng(0)
    continuous = random.random((400, 500), np.float32)
    cases = {
        "continuous": continuous,
        "zeros": np.where(random.random((400, 500)) < 0.6, 0, continuous).astype(np.float32),
        "equal": np.full((400, 500), 0.25, np.float32),
        "few values": random.integers(0, 5, (400, 500)).astype(np.float32),
        "tiny and huge": np.exp(random.uniform(-80, 80, (400, 500))).astype(np.float32),
        "negative zero": np.where(random.random((400, 500)) < 0.6, -0.0, continuous),
        "periodic": np.tile(np.arange(512) % 2, 391)[:200000].reshape(400, 500).astype("float64"),
    }
    for name, array in cases.items():
        scores = {"a/kernel": array[:150], "b/kernel": array[150:]}
        if name == "few values":
            scores["c/kernel"] = continuous.astype("float64") * 4
        flat = np.concatenate([scores[path].reshape(-1) for path in sorted(scores)])
        order = np.argsort(flat, kind="stable")
        for ratio in (0.001, 0.3, 0.5, 0.6, 0.9, 0.9999):
            masks = select(scores, TargetConfig(ratio=ratio))
            expected = np.ones(flat.size, bool)
            expected[order[: round(ratio * flat.size)]] = False
            got = np.concatenate([masks[path].reshape(-1) for path in sorted(scores)])
            ends = np.cumsum([scores[path].size for path in sorted(scores)])
            if all(part.any() for part in np.split(expected, ends[:-1])):
                np.testing.assert_array_equal(got, expected, err_msg=f"{name} {ratio}")
            assert masks.size() - masks.kept() == round(ratio * flat.size)
        assert math.isclose(masks.sparsity(), 0.9999, abs_tol=1e-5)
