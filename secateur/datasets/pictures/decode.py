"""One encoded picture -> an array, by the rule of its data set."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from secateur.datasets.pictures.heads import Head, Kind, opened, short

_TURNS = {
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}
"""By EXIF orientation, what stands a picture upright: whether rows and columns change places, and
then the steps through rows and columns."""

DTYPES = {"8-bit": np.uint8, "16-bit": np.uint16, "32-bit": np.int64, "float": np.float32}
"""Type of the decoded values, by kind."""

_TOP = 65535
_LUMA = np.array([19595, 38470, 7471])  # as Pillow weighs red, green and blue; they add up to 2^16


class Rule(NamedTuple):
    """How the pictures of a data set become numbers: one rule for all of them.

    Attributes:
        kind: What the values are.
        channels: 1 where all pictures are gray, else 3: red, green and blue.
    """

    kind: Kind
    channels: int


def decode(source: Path | bytes, rule: Rule, name: str) -> tuple[np.ndarray, bool]:
    """Values `(height, width, channels)` of a picture, upright, and whether it was turned for that.

    Colours of palettes are looked up, CMYK becomes RGB, and what is transparent lies on white. Of
    several frames the first one counts.

    Raises:
        ValueError: One sentence that names the picture: it is damaged, or cannot be read.
    """
    with opened(source, name) as (image, head):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd metadata
                image.load()
                turn = _TURNS.get(_orientation(image))
                values = _values(source, image, head, rule)
        except MemoryError:
            raise
        except Exception as error:  # whatever Pillow's readers make of it
            raise ValueError(
                f"The image {name!r} is damaged, or of a kind that cannot be read "
                f"({head.mode}): {short(error)}."
            ) from error
    if rule.kind == "float" and not np.isfinite(values).all():
        raise ValueError(
            f"The image {name!r} has values that are not finite; fill them or take it out."
        )
    return (_turned(values, *turn) if turn else values), turn is not None


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 is upright, and TIFFs are when Pillow has loaded them."""
    if image.format == "TIFF":
        return 1
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata of a picture that is well
        return 1


def _turned(values: np.ndarray, swap: bool, rows: int, columns: int) -> np.ndarray:
    upright = values.transpose(1, 0, 2) if swap else values
    return np.ascontiguousarray(upright[::rows, ::columns])


def _values(source: Path | bytes, image: Image.Image, head: Head, rule: Rule) -> np.ndarray:
    if head.deep_png:
        values = _deep_png(source, rule.channels)
    elif head.kind == "8-bit":
        values = _bytes(image, rule.channels)
        if rule.kind == "16-bit":
            values = values.astype(np.uint16) * 257
    else:
        values = _numbers(image, head)
    values = values.reshape(*values.shape[:2], -1)
    return np.broadcast_to(values, (*values.shape[:2], rule.channels)).astype(DTYPES[rule.kind])


def _bytes(image: Image.Image, channels: int) -> np.ndarray:
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return np.asarray(image.convert("L" if channels == 1 else "RGB"))


def _numbers(image: Image.Image, head: Head) -> np.ndarray:
    values = np.asarray(image)
    if head.unsigned:
        values = values.view(np.uint32)
    key = image.info.get("transparency")
    clear = values == key if isinstance(key, int) else None
    if head.white_is_zero:
        values = (_TOP if head.kind == "16-bit" else 0) - values
    return values if clear is None else np.where(clear, _TOP, values)


def _deep_png(source: Path | bytes, channels: int) -> np.ndarray:
    """Gray, or red, green and blue, of 16 bits, on white; Pillow would drop the lower 8."""
    import tensorflow as tf

    content = source if isinstance(source, bytes) else source.read_bytes()
    values = tf.io.decode_png(content, channels=4, dtype=tf.uint16).numpy().astype(np.int64)
    alpha = values[:, :, 3:]
    colours = (values[:, :, :3] * alpha + _TOP * (_TOP - alpha) + _TOP // 2) // _TOP
    return colours if channels == 3 else (colours @ _LUMA + (1 << 15)) >> 16


def resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Values `(height, width, channels)` at another height and width, of the same type.

    Bilinear, over all pixels that a new one covers.
    """
    if values.shape[:2] == tuple(size):
        return values
    shape = (size[1], size[0])
    byte = values.dtype == np.uint8
    done = [
        np.asarray(
            Image.fromarray(
                np.ascontiguousarray(channel if byte else channel.astype(np.float32))
            ).resize(shape, Image.Resampling.BILINEAR)
        )
        for channel in np.moveaxis(values, 2, 0)
    ]
    stacked = np.stack(done, axis=2)
    if np.issubdtype(values.dtype, np.integer) and not byte:
        limits = np.iinfo(values.dtype)
        stacked = np.clip(np.round(stacked.astype(np.float64)), limits.min, limits.max)
    return stacked.astype(values.dtype)
