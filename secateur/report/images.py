"""Arrays as pictures inside a page: data URIs of PNG and WebP files."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np

_CELL, _CAPTION, _COLUMNS = 96, 22, 6
"""Of a sheet: pixels of a picture's square and of its caption, and squares in a row."""
MASK_CELLS = 1 << 18
"""Weights of a mask that is drawn, at most."""
MASK_SIDE = 1_600
"""Its pixels on a side, at most."""


def picture_uri(pixels: np.ndarray) -> str:
    """A picture of shape `(height, width, 1 or 3)` in bytes."""
    from PIL import Image

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if max(image.size) <= 32:  # nothing to gain from leaving details out
        return _uri(image, "PNG", optimize=True)
    return _uri(image, "WEBP", quality=80)


def mask_cells(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Height and width of the picture of a mask, or None if it is too large for one."""
    if not shape or math.prod(shape) == 0 or math.prod(shape) > MASK_CELLS:
        return None
    if len(shape) == 4:
        high, wide = shape[2] * (shape[0] + 1) - 1, shape[3] * (shape[1] + 1) - 1
    else:
        high, wide = shape[-1], math.prod(shape[:-1])
    return (high, wide) if max(high, wide) <= MASK_SIDE else None


def mask_uri(mask: np.ndarray) -> str:
    """A mask as a picture: black where a weight is kept, nothing where it went.

    A kernel of a convolution is a table of windows, a row an input channel and a column an output
    channel; any other weight has a row for each output and a column for each input.

    Args:
        mask: Booleans, True = kept, of a shape that `mask_cells` takes.
    """
    from PIL import Image

    if mask.ndim == 4:
        high, wide, inputs, outputs = mask.shape
        windows = np.zeros((inputs, high + 1, outputs, wide + 1), np.bool_)
        windows[:, :high, :, :wide] = mask.transpose(2, 0, 3, 1)
        cells = windows.reshape(inputs * (high + 1), outputs * (wide + 1))[:-1, :-1]
    else:
        cells = mask.reshape(-1, mask.shape[-1]).T
    image = Image.fromarray(np.where(cells, 0, 1).astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, 255, 255, 255])
    return _uri(image, "PNG", optimize=True, bits=1, transparency=1)


def sheet_uri(pictures: Sequence[np.ndarray], captions: Sequence[str]) -> str:
    """Pictures side by side on one sheet, as a PNG file, each with a caption below it.

    Args:
        pictures: Bytes of shape `(height, width, 1 or 3)`, not none.
        captions: A few letters for each.
    """
    from PIL import Image, ImageDraw, ImageFont

    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * _CELL, rows * (_CELL + _CAPTION)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=_CAPTION - 8)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = place % columns * _CELL, place // columns * (_CELL + _CAPTION)
        image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
        image.thumbnail((_CELL - 8, _CELL - 8))
        factor = max(1, (_CELL - 8) // max(image.size))
        size = (image.width * factor, image.height * factor)
        image = image.convert("RGB").resize(size, Image.Resampling.NEAREST)
        sheet.paste(image, (left + (_CELL - size[0]) // 2, top + 4))
        draw.text((left + _CELL / 2, top + _CELL), caption, "black", font, anchor="ma")
    return _uri(sheet, "PNG", optimize=True)


def _uri(image, kind: str, **options) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{data}"
