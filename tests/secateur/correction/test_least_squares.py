"""Fits from sums against `np.linalg.lstsq` on the rows themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.correction.least_squares import Moments, fit


def drawn(seed, groups=1, inputs=3, outputs=2, rows=60):
    random = np.random.default_rng(seed)
    x = random.standard_normal((rows, groups, inputs)).astype("float32") + 0.5
    y = random.standard_normal((rows, groups, outputs)).astype("float32")
    weight = random.standard_normal((groups, inputs, outputs))
    mask = random.random(weight.shape) < 0.6
    bias = random.standard_normal((groups, outputs))
    return x, y, weight * mask, mask, bias


def moments(x, y, products=True, pieces=3):
    sums = Moments(x.shape[1], x.shape[2], y.shape[2], products=products)
    for a, b in zip(np.array_split(x, pieces), np.array_split(y, pieces), strict=True):
        sums.add(a, b)
    return sums


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(1, 3), st.integers(1, 6), st.integers(1, 5), st.booleans())
def test_every_output_is_fitted_as_by_lstsq(seed, groups, inputs, outputs, biased):
    x, y, weight, mask, bias = drawn(seed, groups, inputs, outputs)
    new, shift = fit(moments(x, y), weight, mask, bias if biased else None, 1e-10)
    assert (shift is not None) == biased
    for g, o in np.ndindex(groups, outputs):
        columns = [x[:, g, i] for i in range(inputs) if mask[g, i, o]]
        columns += [np.ones(len(x))] if biased else []
        if not columns:
            continue
        expected = np.linalg.lstsq(np.stack(columns, 1).astype("float64"), y[:, g, o], rcond=None)
        found = [*new[g, mask[g, :, o], o], *([shift[g, o]] if biased else [])]
        np.testing.assert_allclose(found, expected[0], atol=1e-4)
    assert not new[~mask].any()


def test_what_the_rows_say_nothing_of_stays():
    x, y, weight, _, bias = drawn(0, inputs=4)
    x[:, 0, 2] = 0  # an input that is always off
    whole = np.ones(weight.shape, bool)
    new, _ = fit(moments(x, y), weight, whole, bias, 1e-3)
    np.testing.assert_array_equal(new[0, 2], weight[0, 2])
    same, still = fit(moments(0 * x, 0 * y), weight, whole, 0 * bias, 1e-3)
    np.testing.assert_allclose(same, weight)
    np.testing.assert_allclose(still, 0)


@pytest.mark.parametrize("products", [True, False])
def test_what_a_bias_has_to_make_up_for(products):
    x, y, weight, _, bias = drawn(3, groups=2)
    made = np.einsum("ngi,gio->ngo", x, weight) + bias
    found = moments(x, y, products).missing(weight, bias)
    np.testing.assert_allclose(found, (y - made).mean(0), atol=1e-5)
