"""Canonical JSON: one text for one value."""

import enum
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from secateur.store import canonical_json, digest_of

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_the_text_gives_the_value_back_and_is_stable(value):
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text
    assert text.isascii()


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_order_of_keys_does_not_matter(value):
    turned = dict(reversed(list(value.items())))
    assert digest_of(turned) == digest_of(value)


class Colour(enum.Enum):
    RED = "red"


class Model(BaseModel):
    b: int = 2
    a: tuple[float, ...] = (0.1,)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, 2), "[1,2]"),
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
        (Model(), '{"a":[0.1],"b":2}'),
        ({"m": [Model(b=3)]}, '{"m":[{"a":[0.1],"b":3}]}'),
        (-0.0, "0.0"),
        (1.0, "1.0"),
        (1e300, "1e+300"),
        (Colour.RED, '"red"'),
        (np.float64(0.1), "0.1"),
        (np.int32(3), "3"),
        (np.bool_(True), "true"),
        ("é", '"\\u00e9"'),
    ],
)
def test_text(value, text):
    assert canonical_json(value) == text


def test_known_digest():
    # printf '{"a":1}' | sha256sum
    assert digest_of({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_numbers_that_json_has_not_are_refused_with_their_place(number):
    with pytest.raises(ValueError, match=r"value\.a\[1\] is (nan|-?inf)"):
        canonical_json({"a": [0, number]})


@pytest.mark.parametrize("value", [{1}, b"x", object(), np.zeros(2), 1j])
def test_other_types_are_refused_with_their_place(value):
    with pytest.raises(TypeError, match=r"value\.x is of type"):
        canonical_json({"x": value})


def test_only_str_keys():
    with pytest.raises(TypeError, match="has the key 1 of type int"):
        canonical_json({1: 2})


def test_a_value_in_itself_is_refused():
    value: list = []
    value.append(value)
    with pytest.raises(ValueError, match="contains itself"):
        canonical_json(value)
    twice = [1]
    assert canonical_json([twice, twice]) == "[[1],[1]]"
