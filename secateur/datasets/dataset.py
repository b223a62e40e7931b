"""A loaded data set: three splits of arrays in a folder, read by memory map."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Examples of one split, as they are stored.

    Attributes:
        x: Inputs of shape `(examples, *shape)`, in the data set's own dtype (a memory map).
        y: Integer labels of shape `(examples,)`.
        scale: Factor that a stored value is multiplied by; images of bytes have 1/255.
    """

    x: np.ndarray
    y: np.ndarray
    scale: float

    def __len__(self) -> int:
        return len(self.y)

    def prepare(self, x: np.ndarray) -> np.ndarray:
        """Stored inputs as the model takes them: float32, scaled."""
        return np.asarray(x, dtype=np.float32) * np.float32(self.scale)

    def arrays(self, indices: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Prepared inputs (float32) and labels (int64) of all examples or of those at `indices`."""
        if indices is None:
            return self.prepare(self.x), np.asarray(self.y, dtype=np.int64)
        return self.prepare(self.x[indices]), np.asarray(self.y[indices], dtype=np.int64)


@dataclass(frozen=True)
class Dataset:
    """A data set in a folder that `load.materialize` has written.

    Attributes:
        folder: Holds `info.json`, and `<split>_x.npy` and `<split>_y.npy` of each split.
    """

    folder: Path

    @cached_property
    def info(self) -> dict:
        return json.loads((self.folder / "info.json").read_text())

    @property
    def name(self) -> str:
        return self.info["name"]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example's input."""
        return tuple(self.info["shape"])

    @property
    def classes(self) -> int:
        return self.info["classes"]

    def split(self, name: str) -> Split:
        """One of `train`, `validation` and `test`; the validation split can be empty."""
        x = np.load(self.folder / f"{name}_x.npy", mmap_mode="r", allow_pickle=False)
        y = np.load(self.folder / f"{name}_y.npy", mmap_mode="r", allow_pickle=False)
        return Split(x, y, self.info["scale"])

    @property
    def train(self) -> Split:
        return self.split("train")

    @property
    def validation(self) -> Split:
        return self.split("validation")

    @property
    def test(self) -> Split:
        return self.split("test")

    def fingerprint(self) -> str:
        """SHA-256 of the content: the examples of all splits and how they are preprocessed."""
        digest = hashlib.sha256(json.dumps(self.info, sort_keys=True).encode())
        for name in SPLITS:
            split = self.split(name)
            for array in (split.x, split.y):
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                for start in range(0, len(array), 4096):
                    digest.update(np.ascontiguousarray(array[start : start + 4096]).tobytes())
        return digest.hexdigest()
