"""Examples that are in several splits: what is measured on them is remembered, not learnt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from secateur.datasets.raw import ROWS
from secateur.datasets.rows import pieces

_BYTES = 16


def count(
    inputs: Mapping[str, Sequence[np.ndarray]], targets: Mapping[str, Sequence[np.ndarray]]
) -> dict[str, dict[str, int]]:
    """Examples whose inputs are equal, byte by byte, to one of another split.

    Args:
        inputs: Split -> arrays `(examples, …)` of numbers or of texts, one for each input.
        targets: And for each target.

    Returns:
        `test_in_train`, `validation_in_train`, `test_in_validation` and `within_train`, each with
        `examples` and `other_target`: how many of these have a target that no equal one has.
    """
    alone = {split: _digests(arrays) for split, arrays in inputs.items()}
    pairs = {split: _digests([alone[split], *targets[split]]) for split in inputs}
    found = {}
    for split, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        same = np.isin(alone[split], alone[other])
        wholly = np.isin(pairs[split], pairs[other])
        found[f"{split}_in_{other}"] = {
            "examples": int(same.sum()),
            "other_target": int((same & ~wholly).sum()),
        }
    distinct = len(np.unique(alone["train"]))
    found["within_train"] = {
        "examples": len(alone["train"]) - distinct,
        "other_target": len(np.unique(pairs["train"])) - distinct,
    }
    return found


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


def _digests(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """A digest of each example, over all arrays."""
    each = [np.array([_digest(row) for row in _rows(array)], f"S{_BYTES}") for array in arrays]
    if len(each) == 1:
        return each[0]
    joined = (
        b"".join(digests) for digests in zip(*(known.tolist() for known in each), strict=True)
    )
    return np.array([_digest(row) for row in joined], f"S{_BYTES}")


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_BYTES).digest()


def _rows(array: np.ndarray) -> Iterator[bytes]:
    text = array.dtype == object
    for part in pieces(array, ROWS):
        for row in part:
            yield str(row).encode("utf-8", "surrogatepass") if text else np.asarray(row).tobytes()
