"""Pictures inside the page, read back pixel for pixel."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from PIL import Image

from secateur.report.images import mask_cells, mask_uri, picture_uri, sheet_uri

_shapes = arrays.array_shapes(min_dims=1, max_dims=5, min_side=1, max_side=6)


def _open(uri):
    head, _, data = uri.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == f"data:image/{image.format.lower()}"
    return image


@given(arrays.arrays(np.bool_, _shapes))
def test_a_mask_is_black_where_a_weight_is_kept(mask):
    image = _open(mask_uri(mask))
    assert (image.height, image.width) == mask_cells(mask.shape)
    seen = np.asarray(image.convert("RGBA"))
    black = (seen[:, :, :3] == 0).all(-1) & (seen[:, :, 3] == 255)
    np.testing.assert_array_equal(black, seen[:, :, 3] == 255)
    if mask.ndim == 4:
        high, wide, inputs, outputs = mask.shape
        for i in range(inputs):
            for o in range(outputs):
                top, left = i * (high + 1), o * (wide + 1)
                window = black[top : top + high, left : left + wide]
                np.testing.assert_array_equal(window, mask[:, :, i, o])
        assert black.sum() == mask.sum()
    else:
        np.testing.assert_array_equal(black, mask.reshape(-1, mask.shape[-1]).T)


@pytest.mark.parametrize("shape", [(), (0, 3), (1000, 1000), (5000, 2), (3, 3, 256, 512)])
def test_a_mask_that_is_empty_or_large_has_no_picture(shape):
    assert mask_cells(shape) is None


@pytest.mark.parametrize("channels", [1, 3])
def test_a_small_picture_is_exact(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (28, 20, channels), np.uint8)
    seen = np.asarray(_open(picture_uri(pixels)))
    np.testing.assert_array_equal(seen, pixels[:, :, 0] if channels == 1 else pixels)


def test_a_large_picture_takes_few_bytes():
    ramp = np.linspace(0, 255, 96).astype(np.uint8)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], ramp[:, None]), -1)
    uri = picture_uri(pixels)
    assert len(uri) < 4_000
    error = np.abs(np.asarray(_open(uri).convert("RGB")).astype(int) - pixels)
    assert error.mean() < 8


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (6, 1), (7, 2)])
def test_a_sheet_holds_every_picture_in_its_order(count, rows):
    shades = [30 * number + 20 for number in range(count)]
    pictures = [np.full((28, 14, 1), shade, np.uint8) for shade in shades]
    seen = np.asarray(_open(sheet_uri(pictures, ["a → b"] * count)))
    cell = seen.shape[1] // min(count, 6)
    high = seen.shape[0] // rows
    assert (seen[::high, :] == 255).all()  # white around them
    middles = [
        seen[row * high + cell // 2, column * cell + cell // 2, 0]
        for row in range(rows)
        for column in range(min(count, 6))
    ]
    assert middles[:count] == shades


def test_a_large_picture_fits_its_square():
    seen = _open(sheet_uri([np.zeros((300, 500, 3), np.uint8)], ["x"]))
    assert max(seen.size) < 130
