"""What the heads of picture files tell, before any pixel is decoded."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""What is decoded, by content and not by the file's name."""

Kind = Literal["8-bit", "16-bit", "32-bit", "float"]
"""What the values of a picture are: bytes, or numbers of so many bits, or floats."""

_GRAY = ("1", "L", "LA", "La", "I", "F")
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF


class Head(NamedTuple):
    """What is known of a picture without decoding it.

    Attributes:
        size: Height and width as stored: a photograph may still have to be turned.
        mode: Pillow's name of what a pixel is.
        kind: What its values are.
        gray: Whether it has no colours.
        transparent: Whether parts of it can be see-through.
        animated: Whether it has several frames or pages.
        shallow: Whether its colours have more bits than can be read.
        deep_png: Whether it is a PNG of 16 bits with colours or alpha, of which Pillow keeps 8.
        white_is_zero: Whether its numbers count from white to black.
        unsigned: Whether its 32-bit numbers are without sign.
    """

    size: tuple[int, int]
    mode: str
    kind: Kind
    gray: bool
    transparent: bool
    animated: bool
    shallow: bool
    deep_png: bool
    white_is_zero: bool
    unsigned: bool


def head(image: Image.Image) -> Head:
    """Of an opened picture, of which nothing is decoded yet."""
    tags = getattr(image, "tag_v2", {})
    tile = image.tile[0].args if getattr(image, "tile", None) else ""
    raw = tile if isinstance(tile, str) else str(tile[0]) if isinstance(tile, tuple) else ""
    deep_png = image.format == "PNG" and raw in ("RGB;16B", "LA;16B", "RGBA;16B")
    sixteen = image.mode.startswith("I;16") or deep_png
    kind: Kind = "16-bit" if sixteen else "8-bit"
    if image.mode in ("I", "F"):
        kind = "32-bit" if image.mode == "I" else "float"
    return Head(
        size=(image.height, image.width),
        mode=raw.removesuffix("B") if deep_png else image.mode,
        kind=kind,
        gray=raw == "LA;16B" or image.mode in _GRAY or image.mode.startswith("I;16"),
        transparent=image.has_transparency_data,
        animated=bool(getattr(image, "is_animated", False)),
        shallow=kind == "8-bit" and max(tags.get(_BITS_PER_SAMPLE, (8,))) > 8,
        deep_png=deep_png,
        white_is_zero=kind != "8-bit" and tags.get(_PHOTOMETRIC) == 0,
        unsigned=kind == "32-bit" and tags.get(_SAMPLE_FORMAT, (1,))[0] == 1,
    )


@contextlib.contextmanager
def opened(source: Path | bytes, name: str) -> Iterator[tuple[Image.Image, Head]]:
    """The picture in a file or in bytes, and its head; what goes wrong inside names it.

    Raises:
        ValueError: One sentence: it is no picture, or a damaged one.
    """
    with contextlib.ExitStack() as stack:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                warnings.filterwarnings("ignore", category=UserWarning)
                file = io.BytesIO(source) if isinstance(source, bytes) else source
                image = stack.enter_context(Image.open(file, formats=FORMATS))
                found = head(image)
        except MemoryError:
            raise
        except Exception as error:  # whatever Pillow's readers make of it
            raise ValueError(
                f"{name!r} is no image that can be read ({short(error)}); allowed are "
                f"{', '.join(FORMATS)}: take it out."
            ) from error
        yield image, found


def is_image(content: bytes) -> bool:
    """Whether bytes begin as a picture does."""
    try:
        with opened(content, ""):
            return True
    except ValueError:
        return False


def short(error: BaseException) -> str:
    """The beginning of what an error says."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first.partition(" '")[0].partition(" <_io")[0].rstrip(".")
