"""Masks: which weights are kept, a bit a weight, with the digest of the model they belong to."""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

_FORMAT = 1


class Masks(Mapping[str, np.ndarray]):
    """A read-only mapping of weight paths to boolean arrays, True where a weight is kept.

    The arrays are stored packed and unpacked at each access; they have the weights' shapes.

    Args:
        masks: Weight path -> boolean array.
        model_digest: `secateur.models.weights.content_digest` of the model whose weights were
            scored; empty if it is not known.
        notices: Sentences on what selection skipped, floored or could not meet.
    """

    def __init__(
        self,
        masks: Mapping[str, np.ndarray],
        model_digest: str = "",
        notices: Iterable[str] = (),
    ) -> None:
        packed = {}
        for path, mask in masks.items():
            mask = np.asarray(mask)
            if mask.dtype != np.bool_:
                raise ValueError(
                    f"the mask of {path} has the type {mask.dtype}; use booleans, True = kept"
                )
            packed[path] = (mask.shape, np.packbits(mask.reshape(-1)))
        self._set(packed, model_digest, notices)

    @classmethod
    def from_packed(
        cls,
        packed: Mapping[str, tuple[tuple[int, ...], np.ndarray]],
        model_digest: str = "",
        notices: Iterable[str] = (),
    ) -> Masks:
        """Masks from (shape, bits) pairs; bits as `numpy.packbits` gives them for the flat mask."""
        masks = cls.__new__(cls)
        masks._set(packed, model_digest, notices)
        return masks

    def _set(
        self,
        packed: Mapping[str, tuple[tuple[int, ...], np.ndarray]],
        model_digest: str,
        notices: Iterable[str],
    ) -> None:
        self._packed = {}
        for path in sorted(packed):
            shape, bits = packed[path]
            shape = tuple(int(size) for size in shape)
            if bits.dtype != np.uint8 or bits.shape != (-(-math.prod(shape) // 8),):
                raise ValueError(f"the mask of {path} does not hold one bit for each weight")
            self._packed[path] = (shape, bits)
        self.model_digest = model_digest
        self.notices = tuple(notices)

    def __getitem__(self, path: str) -> np.ndarray:
        shape, bits = self._packed[path]
        return np.unpackbits(bits, count=math.prod(shape)).view(np.bool_).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __repr__(self) -> str:
        return f"Masks({len(self)} weights, sparsity {self.sparsity():.4f})"

    def shape(self, path: str) -> tuple[int, ...]:
        """Shape of the mask of a weight."""
        return self._packed[path][0]

    def bits(self, path: str) -> np.ndarray:
        """The packed mask of a weight: uint8, `ceil(size / 8)` of them; do not write to it."""
        return self._packed[path][1]

    def size(self, path: str | None = None) -> int:
        """Number of weights that the mask of `path`, or all masks together, cover."""
        return sum(math.prod(self._packed[p][0]) for p in self._some(path))

    def kept(self, path: str | None = None) -> int:
        """Number of weights kept in `path`, or in all."""
        return sum(int(np.bitwise_count(self._packed[p][1]).sum()) for p in self._some(path))

    def sparsity(self, path: str | None = None) -> float:
        """Share of weights that are removed, in `path` or in all; 0 if there are none."""
        size = self.size(path)
        return (size - self.kept(path)) / size if size else 0.0

    def _some(self, path: str | None) -> Iterable[str]:
        return self._packed if path is None else (path,)

    def digest(self) -> str:
        """SHA-256 of the content: model digest, paths, shapes and bits; notices do not count."""
        digest = hashlib.sha256(json.dumps([_FORMAT, self.model_digest]).encode())
        for path, (shape, bits) in self._packed.items():
            digest.update(json.dumps([path, list(shape)]).encode())
            digest.update(np.ascontiguousarray(bits).data)
        return digest.hexdigest()

    def check(self, shapes: Mapping[str, tuple[int, ...]], digest: str | None = None) -> None:
        """Refuses a model that the masks do not belong to.

        Fine-tuned weights are other weights with the same masks, so paths and shapes decide; give
        `digest` where the very model that was scored is expected.

        Args:
            shapes: Weight path -> shape, of all the weights of the model.
            digest: `content_digest` of the model, to be compared with `model_digest`.

        Raises:
            ValueError: With the first reason found.
        """
        for path, (shape, _) in self._packed.items():
            if path not in shapes:
                raise ValueError(
                    f"the masks belong to another model: this one has no weight {path}; select "
                    "masks from scores of this model"
                )
            if tuple(shapes[path]) != shape:
                raise ValueError(
                    f"the masks belong to another model: the mask of {path} has the shape {shape}, "
                    f"the weight has {tuple(shapes[path])}; select masks from scores of this model"
                )
        if digest is not None and digest != self.model_digest:
            raise ValueError(
                "the masks belong to another model: they were selected for the content "
                f"{self.model_digest[:12] or '(unknown)'}, this model has {digest[:12]}; select "
                "masks from scores of this model"
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the masks to a `.npz` file; equal masks give equal bytes."""
        header = {
            "format": _FORMAT,
            "model_digest": self.model_digest,
            "notices": list(self.notices),
            "masks": [[name, list(shape)] for name, (shape, _) in self._packed.items()],
            "digest": self.digest(),
        }
        arrays = {f"mask{i}": bits for i, (_, bits) in enumerate(self._packed.values())}
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with open(path, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Masks:
        """Reads what `save` wrote.

        Raises:
            ValueError: If the file is damaged or no file of masks.
            OSError: If there is no such file, or it cannot be read.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                header: Any = json.loads(archive["header"].tobytes())
                packed = {
                    name: (tuple(shape), archive[f"mask{i}"])
                    for i, (name, shape) in enumerate(header["masks"])
                }
                masks = cls.from_packed(packed, header["model_digest"], header["notices"])
                whole = header["format"] == _FORMAT and header["digest"] == masks.digest()
        except (
            *(ValueError, KeyError, TypeError, AttributeError, EOFError, NotImplementedError),
            *(zipfile.BadZipFile, zlib.error, MemoryError, OverflowError, RuntimeError),
        ) as error:
            raise ValueError(f"{os.fspath(path)} is damaged or no file of masks") from error
        if not whole:
            raise ValueError(f"{os.fspath(path)} is damaged: its digest does not match")
        return masks


def both(first: Masks | None, second: Masks | None) -> Masks | None:
    """Masks that keep what both keep; None keeps everything."""
    if not first or not second:
        return first or second or None
    bits = {path: (first.shape(path), first.bits(path)) for path in first}
    for path in second:
        shape, some = second.shape(path), second.bits(path)
        bits[path] = (shape, bits[path][1] & some if path in bits else some)
    return Masks.from_packed(bits)
