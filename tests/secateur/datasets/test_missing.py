"""What is missing in a target is refused, whatever the source, with its number."""

from __future__ import annotations

import numpy as np
import pytest

from secateur.datasets.missing import WORDS, check_targets, missing
from secateur.datasets.raw import Raw


def test_the_words_are_those_of_pandas():
    from pandas._libs.parsers import STR_NA_VALUES

    assert WORDS == STR_NA_VALUES


@pytest.mark.parametrize(
    "values",
    [
        np.array(["a", "nan", "b", " NA "], object),
        np.array([0.0, np.nan, 1.0, np.nan]),
        np.array([[0.0, 1.0], [np.nan, 0.0], [1.0, 1.0], [0.0, np.nan]]),
    ],
)
def test_their_number_and_the_first_are_told(values):
    whole = {"train": Raw({"": np.zeros((4, 1))}, {"y": values[[0, 0, 2, 2]]})}
    check_targets(whole)
    assert not missing(values[[0, 2]]).any()
    raw = {**whole, "test": Raw({"": np.zeros((4, 1))}, {"y": values})}
    sentence = r"'y' of the split test lacks a value in 2 of 4 examples \(the first is example 2\)"
    with pytest.raises(ValueError, match=sentence):
        check_targets(raw)
