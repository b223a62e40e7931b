"""A folder of images for each class, decoded by Pillow."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from secateur.datasets.config import DatasetConfig
from secateur.datasets.places import Place
from secateur.datasets.raw import ArrayWriter, Raw

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""What is decoded, by content and not by the file's name."""


def read(place: Place, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    """The sorted names of the training split's folders are the classes; bytes stay bytes."""
    folders = {name: _files(each[0]) for name, each in place.splits.items()}
    names = tuple(folders["train"])
    for split, classes in folders.items():
        for name in classes:
            if name not in names:
                raise ValueError(
                    f"The split {split} of {config.path!r} has a folder {name!r}, but the training "
                    f"split has none; its classes are {', '.join(names)}."
                )
    shape = _shape([f for c in folders.values() for files in c.values() for f in files], config)
    return {
        split: _split(classes, names, shape, scratch / f"{split}.npy")
        for split, classes in folders.items()
    }


def _files(folder: Path) -> dict[str, list[Path]]:
    """The images of each class."""
    found = {}
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.name.startswith("."):
            inside = (f for f in entry.rglob("*") if f.is_file() and not f.name.startswith("."))
            found[entry.name] = sorted(inside)
            if not found[entry.name]:
                raise ValueError(f"The folder {entry.name!r} of {folder.name!r} holds no images.")
    if len(found) < 2:
        raise ValueError(
            f"The folder {folder.name!r} has {len(found)} folder(s) inside; allowed are two or "
            "more, one for each class."
        )
    return found


def _shape(files: list[Path], config: DatasetConfig) -> tuple[int, int, int]:
    """Height, width and channels of all images; reads their heads alone."""
    sizes: dict[tuple[int, int], Path] = {}
    gray = True
    for file in files:
        with _opened(file, file.name) as image:
            sizes.setdefault((image.height, image.width), file)
            gray = gray and image.mode in ("1", "L", "I;16")
    if config.image_size is None and len(sizes) > 1:
        (one, first), (two, second) = list(sizes.items())[:2]
        raise ValueError(
            f"The images of {config.path!r} differ in size ({first.name} has {one[0]}x{one[1]}, "
            f"{second.name} {two[0]}x{two[1]}); give dataset.image_size, the height and width to "
            "resize them to."
        )
    height, width = config.image_size or next(iter(sizes))
    return height, width, 1 if gray else 3


def _split(
    classes: dict[str, list[Path]], names: tuple[str, ...], shape: tuple[int, int, int], path: Path
) -> Raw:
    files = [(file, names.index(name)) for name in classes for file in classes[name]]
    writer = ArrayWriter(path, np.dtype(np.uint8), shape)
    for file, _ in files:
        with _opened(file, file.name) as image:
            writer.append(pixels(image, shape, file.name)[None])
    labels = np.array([label for _, label in files], np.int64)
    return Raw({"": writer.close()}, {"label": labels}, names)


def _opened(source: Path | io.BytesIO, name: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(source, formats=FORMATS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning) as error:
        raise ValueError(
            f"{name!r} is no image that can be read ({_short(error)}); allowed are "
            f"{', '.join(FORMATS)}: take it out."
        ) from error


def pixels(image: Image.Image, shape: tuple[int, int, int], name: str) -> np.ndarray:
    """An opened image as bytes of a shape (height, width, channels), resized where it differs."""
    try:
        image = image.convert("L" if shape[2] == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise ValueError(f"The image {name!r} is damaged: {_short(error)}.") from error
    if (image.height, image.width) != shape[:2]:
        image = image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(image, np.uint8).reshape(shape)


def decode(content: bytes, size: tuple[int, int] | None, name: str) -> np.ndarray:
    """The pixels of an encoded image, (height, width, channels)."""
    with _opened(io.BytesIO(content), name) as image:
        height, width = size or (image.height, image.width)
        return pixels(image, (height, width, 1 if image.mode in ("1", "L") else 3), name)


def is_image(content: bytes) -> bool:
    """Whether bytes begin as an image does."""
    try:
        Image.open(io.BytesIO(content), formats=FORMATS).close()
    except Exception:  # whatever Pillow's readers make of it
        return False
    return True


def _short(error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return first.partition(" '")[0].partition(" <_io")[0].rstrip(".")
