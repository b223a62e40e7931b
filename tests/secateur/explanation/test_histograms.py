"""Histograms against counts by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from secateur.explanation import histograms
from secateur.explanation.histograms import BINS, DECADES, histogram, score_histogram

_shapes = arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
_values = arrays.arrays(np.float32, _shapes, elements=st.floats(-4, 4, width=32))
_scores = arrays.arrays(np.float32, _shapes, elements=st.floats(0, 2.0**100, width=32))


def _bin(value, low, high):
    return min(BINS - 1, int((value - low) / (high - low) * BINS))


@given(_values)
def test_every_value_is_counted_in_its_bin(values):
    found = histogram(values, -4, 4)
    counts = [0] * BINS
    for value in values.reshape(-1).tolist():
        counts[_bin(value, -4, 4)] += 1
    # On a border between two bins, rounding decides.
    assert np.abs(np.cumsum(found.counts) - np.cumsum(counts)).max() <= values.size
    inside = [v for v in values.reshape(-1).tolist() if (v + 4) / 8 * BINS % 1 > 1e-6]
    if len(inside) == values.size:
        assert found.counts == counts
    assert sum(found.counts) == values.size


def test_what_lies_outside_is_not_counted():
    found = histogram(np.array([-1.0, 0.0, 1.0, 9.0]), -1, 1)
    assert sum(found.counts) == 3


def test_equal_values_have_bins_around_them():
    found = histogram(np.zeros(7), 0.0, 0.0)
    assert (found.low, found.high, sum(found.counts)) == (-0.5, 0.5, 7)


@given(st.lists(_scores, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_scores_are_parted_into_kept_and_removed(scores, random):
    kept = [
        np.array([random.random() < 0.5 for _ in range(s.size)]).reshape(s.shape) for s in scores
    ]
    kept = [mask.astype(np.bool_) for mask in kept]
    found = score_histogram(scores, kept)
    flat = np.concatenate([s.reshape(-1) for s in scores])
    stays = np.concatenate([mask.reshape(-1) for mask in kept])
    assert found.zeros == (flat == 0).sum()
    assert sum(found.kept) == (flat[stays] > 0).sum()
    assert sum(found.removed) == (flat[~stays] > 0).sum()
    assert found.lowest_kept == (flat[stays].min() if stays.any() else None)
    assert found.highest_removed == (flat[~stays].max() if (~stays).any() else None)
    positive = flat[flat > 0]
    if positive.size and positive.min() < positive.max():
        assert found.high == pytest.approx(math.log10(positive.max()), abs=1e-6)
        assert found.low >= found.high - DECADES - 1e-6


def test_low_scores_are_counted_in_the_first_bin():
    found = score_histogram([np.array([1e-30, 1.0], np.float32)], None)
    assert (found.low, found.high) == (-DECADES, 0)
    assert (found.kept[0], found.kept[-1], sum(found.kept)) == (1, 1, 2)
    assert found.removed is None
    assert found.lowest_kept is None


def test_weights_that_were_not_up_for_removal_stayed():
    found = score_histogram([np.ones(3), np.full(2, 10.0)], [None, np.array([True, False])])
    assert (sum(found.kept), sum(found.removed)) == (4, 1)
    assert (found.lowest_kept, found.highest_removed) == (1, 10)


def test_scores_that_are_all_zero_have_empty_bins():
    found = score_histogram([np.zeros(5)], [np.array([True, False, False, False, False])])
    assert (found.zeros, sum(found.kept), sum(found.removed)) == (5, 0, 0)
    assert math.isfinite(found.low)
    assert found.low < found.high


def test_large_arrays_are_gone_through_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    values, mask = rng.gamma(1.0, size=(7, 30)), rng.random((7, 30)) < 0.5
    whole = histogram(values, 0, 9), score_histogram([values], [mask])
    monkeypatch.setattr(histograms, "_PIECE", 16)
    assert (histogram(values, 0, 9), score_histogram([values], [mask])) == whole


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_count_as_well(dtype):
    assert sum(histogram(np.linspace(-1, 1, 50).astype(dtype), -1, 1).counts) == 50
