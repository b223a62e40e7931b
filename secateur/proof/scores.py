"""Scores of examples one by one, against those that were computed for many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.compile_utils import CompileLoss

from secateur.models.strided import mend
from secateur.proof.record import Check

mend()  # before a gradient is taken here

LIMIT = 0.2
"""Seconds after which no further example is computed by itself …"""
LEAST = 2
"""… once so many are done."""
MOST = 7

TOLERANCE = 1e-3
HALF = 0.1  # of half precision, where a batch and a single example are rounded differently
_FLOOR = 1e-6  # of the largest gradient of the model: below that it is rounding


class Claim(Protocol):
    """What is claimed of one weight's gradients for the first examples of a batch."""

    def row(self, example: int) -> Any:
        """The gradient of one example by itself, of the weight's shape; None: not claimed."""

    def total(self, power: int | None) -> Any:
        """Σ over the examples of |gradient|^power, or of the gradient itself; None: not claimed."""


class Verdict(NamedTuple):
    """What was found.

    Attributes:
        holds: Path of a weight -> which of its claims holds, the first one that does; weights of
            which none does are left out.
        unreached: Weights that no gradient reaches.
        silent: Weights with gradients that were all zero, which show nothing.
        differences: Path -> the largest difference of the claim that holds, as a share of the
            largest value compared.
        sums: For weights without a claim that holds, the right sums: power -> array.
    """

    holds: dict[str, int]
    unreached: frozenset[str]
    silent: frozenset[str]
    differences: dict[str, float]
    sums: dict[str, dict[int | None, np.ndarray]]


class OneByOne:
    """The gradient of the loss of one example: a plain tape, and the model as Keras runs it.

    The loss is what Keras computes for a batch that holds that example alone, its masks and sample
    weights included.

    Args:
        model: The model.
        weights: Path -> variable.
        x: Inputs of some examples, the first axis the examples.
        y: Their labels.
        sample_weight: Their weights, or None.
        loss: As `compile` takes it.
        loss_weights: As `compile` takes them.
    """

    def __init__(
        self,
        model: keras.Model,
        weights: Mapping[str, keras.Variable],
        x: Any,
        y: Any,
        sample_weight: Any,
        loss: Any,
        loss_weights: Any = None,
    ):
        self._model, self._weights = model, weights
        self._data = (x, y, sample_weight)
        names = getattr(model, "output_names", None)
        self._loss = CompileLoss(loss, loss_weights, output_names=names)

    def __call__(self, example: int) -> dict[str, np.ndarray | None]:
        """Path -> gradient of the weight, None where nothing depends on it."""
        x, y, sample_weight = single(self._data, example)
        values = [variable.value for variable in self._weights.values()]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            outputs = self._model(x, training=False)
            try:
                value = self._loss(y, outputs, sample_weight)
            except (KeyError, TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
                raise ValueError(
                    "Keras cannot compute the loss of an example of these data "
                    f"({type(error).__name__}: {_first_line(error)}): give labels and sample "
                    "weights in the structure of the model's outputs, and a loss that fits them."
                ) from error
        found = tape.gradient(value, values)
        return {
            path: None if g is None else tf.convert_to_tensor(g).numpy()
            for path, g in zip(self._weights, found, strict=True)
        }


def single(data: Sequence[Any], example: int) -> list[Any]:
    """A batch of one example, of inputs, labels and weights; None stays None."""
    return [
        None
        if part is None
        else tf.nest.map_structure(lambda a: tf.convert_to_tensor(a[example : example + 1]), part)
        for part in data
    ]


def count_examples(one: Callable[[int], Mapping[str, Any]], most: int) -> int | None:
    """How many examples are to be computed one by one; None if the model is not deterministic."""
    first = one(0)
    started = time.perf_counter()
    again = one(0)
    each = max(time.perf_counter() - started, 1e-6)
    if any(not _same(a, again[path]) for path, a in first.items()):
        return None
    return max(min(LEAST, most), min(most, MOST, int(LIMIT / each)))


def compare(
    one: Callable[[int], Mapping[str, np.ndarray | None]],
    claims: Mapping[str, Sequence[Claim]],
    examples: int,
    powers: Sequence[int | None],
    tolerance: float,
) -> Verdict:
    """Compares claims with the gradients of single examples: each by itself, and their sums.

    Args:
        one: Example -> gradient of each weight, None where nothing depends on it.
        claims: Path of a weight -> claims on it, the preferred one first.
        examples: How many examples to compute.
        powers: Of the sums that are claimed; None for the gradients themselves.
        tolerance: The difference from which a claim fails, as a share of the largest value.

    Returns:
        What holds.
    """
    worst = {path: [0.0] * len(some) for path, some in claims.items()}
    scale = dict.fromkeys(claims, 0.0)
    sums: dict[str, dict[int | None, np.ndarray]] = {}
    connected: set[str] = set()
    for example in range(examples):
        for path, gradient in one(example).items():
            if gradient is None:
                continue
            connected.add(path)
            gradient = np.asarray(gradient, np.result_type(gradient.dtype, np.float32))
            scale[path] = max(scale[path], _largest(gradient))
            for number, claim in enumerate(claims[path]):
                row = claim.row(example)
                if row is not None:
                    worst[path][number] = max(worst[path][number], _apart(row, gradient))
            for power in powers:
                part = _power(gradient, power)
                totals = sums.setdefault(path, {})
                totals[power] = totals[power] + part if power in totals else part
    floor = _FLOOR * max(scale.values(), default=0.0)
    holds: dict[str, int] = {}
    differences: dict[str, float] = {}
    for path in connected:
        of_rows = max(scale[path], floor) or 1.0
        for number, claim in enumerate(claims[path]):
            found = worst[path][number] / of_rows
            for power in powers if found <= tolerance else ():
                total = claim.total(power)
                if total is not None:
                    size = max(_largest(sums[path][power]), floor ** (power or 1)) or 1.0
                    found = max(found, _apart(total, sums[path][power]) / size)
            if found <= tolerance:
                holds[path], differences[path] = number, found
                break
        if path in holds:
            del sums[path]
    return Verdict(
        holds,
        frozenset(set(claims) - connected),
        frozenset(path for path in holds if scale[path] == 0),
        differences,
        sums,
    )


def check(
    what: str, verdict: Verdict, examples: int, tolerance: float, seconds: float, slow: str
) -> Check:
    """The line of the report.

    Args:
        what: What was compared, such as `gradients`.
        verdict: What was found.
        examples: How many examples were computed by themselves.
        tolerance: As for `compare`.
        seconds: How long it took.
        slow: Which weights do not have a claim that holds, and what was done; empty: none.
    """
    proved = len(verdict.holds) - len(verdict.silent)
    weights = "weight" if proved == 1 else "weights"
    statement = (
        f"{what} that were computed for a whole batch equal those of a plain backward pass of each "
        f"example alone ({proved} {weights})."
    )
    if verdict.silent:
        statement += f" Zero on these examples, which shows nothing: {_names(verdict.silent)}."
    if slow:
        statement += f" {slow}"
    return Check(
        subject="scores",
        statement=statement,
        examples=examples,
        difference=max(verdict.differences.values(), default=0.0),
        tolerance=tolerance,
        seconds=seconds,
    )


def agree(found: Any, wanted: np.ndarray, tolerance: float) -> float | None:
    """The difference of two arrays as a share of the largest value; None if it is too large."""
    difference = _apart(found, wanted) / (_largest(wanted) or 1.0)
    return difference if difference <= tolerance else None


def _power(values: np.ndarray, power: int | None) -> np.ndarray:
    return values if power is None else np.abs(values) ** power


def _largest(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0.0))


def _apart(found: Any, wanted: np.ndarray) -> float:
    """The largest difference; values that are not finite have to be so in both."""
    found = np.asarray(found).astype(wanted.dtype, copy=False)
    if found.shape != wanted.shape:
        return np.inf
    with np.errstate(invalid="ignore"):
        difference = np.abs(found - wanted)
    difference[~np.isfinite(found) & ~np.isfinite(wanted)] = 0.0
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return _apart(a, np.asarray(b)) <= HALF * (_largest(b) or 1.0)


def _names(paths: Any) -> str:
    return ", ".join(sorted(paths))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
