from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.searching.curves import Curve, Point, hull


def _curve(pairs):
    points = [Point(ratio=r, accuracy=0.5, loss=x, examples=1) for r, x in pairs]
    return Curve(layer="a", kind="Dense", units=9, parameters=9, flops=None, points=points)


_pairs = st.lists(
    st.tuples(st.sampled_from([i / 20 for i in range(1, 20)]), st.floats(0, 5)),
    min_size=1,
    max_size=12,
    unique_by=lambda pair: pair[0],
).map(sorted)


@given(_pairs)
def test_the_envelope_is_convex_rises_and_is_below_the_curve(pairs):
    envelope = hull(_curve(pairs), 1.0)
    assert envelope[0] == (0.0, 0.0)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(envelope)]
    assert all(slope >= 0 for slope in slopes)
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(slopes))
    for ratio, loss in pairs:
        low = next(p for p in reversed(envelope) if p[0] <= ratio)
        high = next(p for p in envelope if p[0] >= ratio)
        share = (ratio - low[0]) / (high[0] - low[0]) if high != low else 0.0
        assert low[1] + share * (high[1] - low[1]) <= max(0.0, loss - 1.0) + 1e-9


def test_the_envelope_by_hand():
    envelope = hull(_curve([(0.2, 1.4), (0.4, 1.2), (0.5, 3.0)]), 1.0)
    assert envelope[:3] == [(0.0, 0.0), (0.4, pytest.approx(0.2)), (0.5, pytest.approx(2.0))]
    assert envelope[3][0] == 0.6  # beyond what was measured it goes on, steeper
    assert envelope[3][1] == pytest.approx(2.0 + 18 * 0.5 / 0.4 * 0.1)


def test_a_layer_without_a_point_stays():
    assert hull(_curve([]), 1.0) == [(0.0, 0.0)]


def test_a_whole_layer_goes_or_stays():
    assert hull(_curve([(1.0, 1.5)]), 1.0) == [(0.0, 0.0), (1.0, 0.5)]
