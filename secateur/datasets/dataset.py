"""A loaded data set: three splits of arrays in a folder, read by memory map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from secateur.datasets.rows import pieces
from secateur.datasets.traits import Traits
from secateur.datasets.understanding import Understanding

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Examples of one split, as they are stored.

    Attributes:
        x: Inputs of shape `(examples, *shape)`, in the data set's own dtype (a memory map); of a
            model with several inputs, a dict of them by the inputs' names.
        y: What the model shall give, by the data set's task: class labels `(examples,)` or, a
            label for each token, `(examples, length)`, both of integers; targets
            `(examples, targets)` of a regression and the zeros and ones `(examples, labels)` of
            several labels, both of floats. Of several outputs, a dict of such arrays.
        scale: Factor that a stored value is multiplied by; images of bytes have 1/255, and tokens
            None: they stay integers. A dict where `x` is one.
    """

    x: Any
    y: Any
    scale: Any = 1.0

    def __len__(self) -> int:
        return len(next(iter(self.y.values())) if isinstance(self.y, Mapping) else self.y)

    def each_target(self, function: Callable[[np.ndarray], Any]) -> Any:
        """`function(array)` of each output's targets: a dict where `y` is one."""
        if isinstance(self.y, Mapping):
            return {name: function(array) for name, array in self.y.items()}
        return function(self.y)

    @property
    def input_bytes(self) -> int:
        """Bytes of all stored inputs."""
        return sum(array.nbytes for _, array, _ in self.parts())

    def parts(self) -> Iterator[tuple[str | None, np.ndarray, float | None]]:
        """Name (None of an only input), array and scale of each input."""
        if isinstance(self.x, Mapping):
            yield from ((name, array, self.scale[name]) for name, array in self.x.items())
        else:
            yield None, self.x, self.scale

    def each(self, function: Callable[[np.ndarray, float | None], Any]) -> Any:
        """`function(array, scale)` of each input: a dict where `x` is one."""
        done = {name: function(array, scale) for name, array, scale in self.parts()}
        return done if isinstance(self.x, Mapping) else done[None]

    def arrays(self, indices: np.ndarray | None = None) -> tuple[Any, Any]:
        """Inputs as the model takes them, and targets, of all examples or of those at `indices`.

        Returns:
            Inputs, float32 and scaled (tokens: int32), and labels (int64) or targets (float32).
        """
        chosen = slice(None) if indices is None else indices
        y = self.each_target(lambda array: prepare_target(array[chosen]))
        return self.each(lambda x, scale: prepare(x[chosen], scale)), y


def prepare(x: np.ndarray, scale: float | None) -> np.ndarray:
    """Stored inputs as the model takes them: float32 and scaled, or tokens as int32."""
    if scale is None:
        return np.asarray(x, dtype=np.int32)
    return np.asarray(x, dtype=np.float32) * np.float32(scale)


def prepare_target(y: np.ndarray) -> np.ndarray:
    """Stored targets as a model takes them: labels as int64, others as float32."""
    return np.asarray(y, np.int64 if np.issubdtype(y.dtype, np.integer) else np.float32)


@dataclass(frozen=True)
class Dataset:
    """A data set in a folder that `load.materialize` has written.

    Attributes:
        folder: Holds `info.json`, and `<split>_x.npy` and `<split>_y.npy` of each split; of
            several inputs `<split>_x0.npy`, `<split>_x1.npy` … in the order of `info["inputs"]`,
            and so of several outputs. `info["notices"]` are sentences for the report;
            `info["understood"]` is what was found in the data: `splits`, `inputs` (of pictures
            their modes, sizes and range), `targets` (form and counts), `duplicates`, and of a
            table, an archive or records the `source`: an `understanding.Understanding`.
    """

    folder: Path

    @cached_property
    def info(self) -> dict:
        return json.loads((self.folder / "info.json").read_text())

    @cached_property
    def understood(self) -> Understanding | None:
        """What was made of a table, an archive or records; None of other sources."""
        source = self.info["understood"].get("source")
        return Understanding.model_validate(source) if source else None

    @property
    def name(self) -> str:
        return self.info["name"]

    @property
    def task(self) -> str:
        """What the model shall do: one of `traits.TASKS`, or `several`."""
        return self.info["task"]

    @property
    def goal(self) -> str | dict[str, str]:
        """The task; of several outputs, that of each by its name."""
        outputs = self.info.get("outputs")
        return {each["name"]: each["task"] for each in outputs} if outputs else self.task

    @property
    def shape(self) -> Any:
        """Shape of one example's input; of several inputs, a dict of them."""
        if inputs := self.info.get("inputs"):
            return {each["name"]: tuple(each["shape"]) for each in inputs}
        return tuple(self.info["shape"])

    @property
    def classes(self) -> Any:
        """Values that the model gives for an example, or for each token of it.

        One for each class; of a regression one for each target, of several labels one for each
        label, and one, a logit, of a yes or no. Of several outputs, a dict of them.
        """
        if outputs := self.info.get("outputs"):
            return {each["name"]: each["classes"] for each in outputs}
        return self.info["classes"]

    @property
    def traits(self) -> Traits:
        """What an architecture may need to know beside the shapes."""
        return Traits.model_validate({"task": self.task, **self.info.get("traits", {})})

    def split(self, name: str) -> Split:
        """One of `train`, `validation` and `test`; the validation split can be empty."""
        outputs = self.info.get("outputs")
        if outputs:
            y: Any = {each["name"]: self._array(f"{name}_y{i}") for i, each in enumerate(outputs)}
        else:
            y = self._array(f"{name}_y")
        inputs = self.info.get("inputs")
        if not inputs:
            return Split(self._array(f"{name}_x"), y, self.info["scale"])
        x = {each["name"]: self._array(f"{name}_x{i}") for i, each in enumerate(inputs)}
        return Split(x, y, {each["name"]: each["scale"] for each in inputs})

    def _array(self, stem: str) -> np.ndarray:
        return np.load(self.folder / f"{stem}.npy", mmap_mode="r", allow_pickle=False)

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
        """SHA-256 of the content: the examples of all splits and how they are preprocessed.

        What was said and understood of them is no part of it.
        """
        said = ("notices", "understood", "values")
        info = {key: value for key, value in self.info.items() if key not in said}
        digest = hashlib.sha256(json.dumps(info, sort_keys=True).encode())
        for name in SPLITS:
            split = self.split(name)
            targets = split.y.values() if isinstance(split.y, Mapping) else (split.y,)
            for array in (*(array for _, array, _ in split.parts()), *targets):
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                for piece in pieces(array, 4096):
                    digest.update(np.ascontiguousarray(piece).tobytes())
        return digest.hexdigest()
