"""The range of pictures' values: which become 0 and 1 for the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from secateur.datasets.pictures.heads import Kind
from secateur.datasets.pictures.pictures import Pictures
from secateur.datasets.raw import ROWS, ArrayWriter
from secateur.datasets.rows import pieces


class Range(NamedTuple):
    """What the model gets of the values.

    Attributes:
        low: The value that becomes 0.
        high: The value that becomes 1.
        scale: Factor of the values as they are stored.
        rule: How it was chosen, in a phrase.
    """

    low: float
    high: float
    scale: float
    rule: str


def with_range(
    pictures: Pictures, files: Mapping[str, Path], name: str, info: dict[str, Any]
) -> dict[str, Any]:
    """Settles the range of stored pictures, and notes in `info` what was understood of them.

    Args:
        pictures: What is known of them.
        files: Split -> stored array.
        name: What the input is called.
        info: What `info.json` shall hold; its `notices` and `understood` are added to.

    Returns:
        `scale` of the stored values, and what the model gets of them in a phrase.
    """
    kinds = pictures.about()
    found = settle(list(files.values()), files["train"], pictures.rule.kind, pictures.mixed)
    ground = "; what is transparent lies on white" if kinds["on_white"] else ""
    rule = f"{pictures.rule.kind} pictures: {found.rule}{ground}"
    info["notices"] += pictures.notices()
    if pictures.rule.kind != "8-bit":
        info["notices"].append(f"{rule[0].upper()}{rule[1:]}.")
    values = {"low": found.low, "high": found.high, "rule": rule}
    info["understood"]["inputs"][name] = {"pictures": kinds | values}
    return {"scale": found.scale, "values": rule}


def settle(files: Iterable[Path], train: Path, kind: Kind, full: bool) -> Range:
    """Finds the range by the training split; brings what is no byte and has no 16 bits to it.

    Numbers of 16 or 32 bits go from 0 to the highest number of the bits that the training split
    uses: 4095 where 12 of 16 are. Floats between 0 and 1 stay as they are; other floats, and
    numbers below 0, go from the training split's lowest to its highest value. Nothing is clipped.

    Args:
        files: The stored arrays of all splits.
        train: That of the training split.
        kind: What their values are.
        full: Whether 16-bit numbers go to 65535 whatever is used, since others were made such.
    """
    if kind == "8-bit":
        return Range(0, 255, 1 / 255, "255 becomes 1")
    low, high = _extremes(np.load(train, mmap_mode="r", allow_pickle=False))
    if kind == "float" and low >= 0 and high <= 1:
        return Range(0, 1, 1.0, "values lie between 0 and 1 and stay as they are")
    if kind != "float" and low >= 0:
        bits = 16 if full else max(1, int(high).bit_length())
        found = Range(0, 2**bits - 1, 1 / (2**bits - 1), _of_bits(kind, bits))
        if kind == "16-bit":
            return found
    else:
        span = f"{low:g} becomes 0 and {high:g} 1, the training split's lowest and highest value"
        found = Range(low, high if high > low else low + 1, 1.0, span)
    for file in files:
        _bring(file, found)
    return found._replace(scale=1.0)


def _of_bits(kind: Kind, bits: int) -> str:
    return f"{2**bits - 1} becomes 1: {bits} of {kind.removesuffix('-bit')} bits are used"


def _extremes(array: np.ndarray) -> tuple[float, float]:
    found = [(part.min(), part.max()) for part in pieces(array, ROWS)]
    return min(low for low, _ in found).item(), max(high for _, high in found).item()


def _bring(file: Path, to: Range) -> None:
    """Writes the values again, as float32 between `low` and `high`."""
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    other = file.with_suffix(".brought")
    writer = ArrayWriter(other, np.dtype(np.float32), array.shape[1:])
    for part in _spread(array, to):
        writer.append(part)
    writer.close()
    other.replace(file)


def _spread(array: np.ndarray, to: Range) -> Iterator[np.ndarray]:
    for part in pieces(array, ROWS):
        yield ((part.astype(np.float64) - to.low) / (to.high - to.low)).astype(np.float32)
