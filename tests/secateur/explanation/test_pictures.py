"""Examples as pictures."""

from __future__ import annotations

import numpy as np
import pytest

from secateur.explanation.pictures import LONGEST, are_pictures, pictures_of


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((28, 28, 1), True),
        ((32, 16, 3), True),
        ((8, 8, 2), False),
        ((4,), False),
        ((1, 9, 3), False),
    ],
)
def test_images_have_two_sides_and_one_or_three_channels(shape, told):
    assert are_pictures(shape) is told


def test_small_bytes_stay_as_they_are():
    bytes_ = np.random.default_rng(0).integers(0, 256, (3, 28, 20, 3), np.uint8)
    np.testing.assert_array_equal(pictures_of(bytes_), bytes_)


def test_large_images_are_thinned_out():
    pictures = pictures_of(np.zeros((2, 500, 224, 3), np.uint8))
    assert max(pictures.shape[1:3]) <= LONGEST
    assert pictures.shape[0::3] == (2, 3)


def test_other_values_are_spread_over_the_bytes_each_image_for_itself():
    images = np.array([[[[-2.0], [0.0]]], [[[5.0], [5.0]]], [[[np.nan], [1.0]]]], np.float32)
    np.testing.assert_array_equal(pictures_of(images)[..., 0], [[[0, 255]], [[0, 0]], [[0, 255]]])
