"""Examples that are in several splits: what is measured on them is remembered, not learnt."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from secateur.datasets.raw import ROWS
from secateur.datasets.rows import pieces

_NARROW = 512  # bytes of a row up to which rows are hashed together; wider ones each by itself
_AT_ONCE = 1 << 16  # narrow rows
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SALTS = np.random.default_rng(1).integers(1, 2**64, _NARROW // 8, np.uint64)


def count(
    inputs: Mapping[str, Sequence[np.ndarray]], targets: Mapping[str, Sequence[np.ndarray]]
) -> dict[str, dict[str, int]]:
    """Examples whose inputs are equal, byte by byte, to one of another split.

    They are compared by hashes of 64 bits: of 10 million examples, two that differ count as equal
    once in 400,000 data sets.

    Args:
        inputs: Split -> arrays `(examples, …)` of numbers or of texts, one for each input.
        targets: And for each target.

    Returns:
        `test_in_train`, `validation_in_train`, `test_in_validation` and `within_train`, each with
        `examples` and `other_target`: how many of these have a target that no equal one has.
    """
    alone = {split: _hashes(arrays) for split, arrays in inputs.items()}
    pairs = {split: _hashes([alone[split], *targets[split]]) for split in inputs}
    found = {}
    for split, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        same = _among(alone[split], np.sort(alone[other]))
        wholly = _among(pairs[split], np.sort(pairs[other]))
        found[f"{split}_in_{other}"] = {
            "examples": int(same.sum()),
            "other_target": int((same & ~wholly).sum()),
        }
    distinct = _distinct(alone["train"])
    found["within_train"] = {
        "examples": len(alone["train"]) - distinct,
        "other_target": _distinct(pairs["train"]) - distinct,
    }
    return found


def _among(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of them are in a sorted array. (`numpy.isin` takes ten times as long for millions.)"""
    places = np.searchsorted(known, hashes)
    inside = places < len(known)
    found = np.zeros(len(hashes), bool)
    found[inside] = known[places[inside]] == hashes[inside]
    return found


def _distinct(hashes: np.ndarray) -> int:
    ordered = np.sort(hashes)
    return len(ordered) and 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def notices(found: Mapping[str, Mapping[str, int]], sizes: Mapping[str, int]) -> list[str]:
    """A sentence for each two splits that share examples."""
    said = []
    for split, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        each = found[f"{split}_in_{other}"]
        if not each["examples"]:
            continue
        differ = each["other_target"]
        said.append(
            f"{each['examples']} of {sizes[split]} examples of the {split} split are in the "
            f"{other} split as well{f', {differ} of them with another target' if differ else ''}."
        )
    return said


def _hashes(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """A hash of each example, over all arrays; uint64."""
    total = np.zeros(len(arrays[0]), np.uint64)
    for array in arrays:
        total = _mixed(total * _FIRST + _each(array))
    return total


def _each(array: np.ndarray) -> np.ndarray:
    if array.dtype == object:
        return _digests(str(text).encode("utf-8", "surrogatepass") for text in array)
    width = array.dtype.itemsize * math.prod(array.shape[1:])
    if width > _NARROW:
        return _digests(row.tobytes() for part in pieces(array, ROWS) for row in part)
    found = [_words(part, width) for part in pieces(array, _AT_ONCE)]
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


def _words(rows: np.ndarray, width: int) -> np.ndarray:
    """A hash of each of some narrow rows: the sum of their words, each mixed with its place."""
    padded = np.zeros((len(rows), -(-width // 8) * 8), np.uint8)
    padded[:, :width] = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), width)
    words = padded.view(np.uint64)
    return _mixed(words ^ _SALTS[: words.shape[1]]).sum(axis=1, dtype=np.uint64)


def _mixed(words: np.ndarray) -> np.ndarray:
    """Each word as another one that it alone gives (SplitMix64)."""
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


def _digests(contents: Iterable[bytes]) -> np.ndarray:
    joined = b"".join(hashlib.blake2b(each, digest_size=8).digest() for each in contents)
    return np.frombuffer(joined, np.uint64)
