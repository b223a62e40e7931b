"""What every runtime can do with a model of one output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

Inputs = np.ndarray | Mapping[str, np.ndarray]
"""Examples along the first axis: an array, or a dict of them by the inputs' names."""

BATCH = 256
"""Examples that are predicted at a time."""


class Runner(Protocol):
    """A model that is loaded in its runtime.

    Attributes:
        batch: The only number of examples that the model takes at a time; None for any.
    """

    batch: int | None

    def predict(self, x: Inputs) -> np.ndarray:
        """Outputs for any number of examples, of shape `(examples, …)`, float32."""

    def ready(self, x: Inputs) -> Callable[[], Any]:
        """A function that runs the model once on `x`; where the runtime keeps inputs, they are in
        place before. Another call of `ready` or `predict` ends its life.

        Raises:
            ValueError: The model does not take so many examples at a time.
        """


def length(x: Inputs) -> int:
    """Number of examples."""
    return len(next(iter(x.values()))) if isinstance(x, Mapping) else len(x)


def each(x: Inputs, function: Callable[[np.ndarray], Any]) -> Any:
    """`function` of each input, in the structure of `x`."""
    if isinstance(x, Mapping):
        return {name: function(array) for name, array in x.items()}
    return function(x)


def take(x: Inputs, rows: Any) -> Any:
    """Some of the examples: those at indices, or of a slice."""
    return each(x, lambda array: array[rows])


def in_batches(run: Callable[[Inputs], Any], x: Inputs, fixed: int | None) -> np.ndarray:
    """Outputs of `run` for all examples, a batch at a time.

    Args:
        run: Inputs of a batch -> outputs.
        x: Examples, at least one.
        fixed: The only size of a batch that the model takes, or None. The last batch is filled up
            with copies of its last example, whose outputs are dropped.
    """
    count, size = length(x), fixed or BATCH
    outputs = []
    for start in range(0, count, size):
        rows = np.arange(start, start + size if fixed else min(start + size, count))
        batch = take(x, np.minimum(rows, count - 1))
        outputs.append(np.asarray(run(batch), dtype=np.float32)[: count - start])
    return np.concatenate(outputs)


def check_batch(batch: int | None, x: Inputs) -> None:
    """Refuses a number of examples that a model does not take at a time."""
    if batch not in (None, length(x)):
        raise ValueError(f"The file takes {batch} examples at a time, not {length(x)}.")


def by_name(x: Inputs, names: Iterable[str]) -> list[np.ndarray]:
    """The arrays of `x` in the order of a file's inputs.

    Args:
        x: An array where there is one input.
        names: Of the file's inputs; `serving_default_` before and `:0` behind are TensorFlow's.

    Raises:
        ValueError: One sentence: the file has other inputs.
    """
    plain = [name.removeprefix("serving_default_").partition(":")[0] for name in names]
    given = x if isinstance(x, Mapping) else {plain[0]: x}
    if sorted(given) != sorted(plain):
        said = ", ".join(given) if isinstance(x, Mapping) else "one"
        raise ValueError(f"The file has the inputs {', '.join(plain)}; the data set has {said}.")
    return [given[name] for name in plain]


def only_output(outputs: list[Any], path: object) -> Any:
    """The one output of a model.

    Raises:
        ValueError: There are several.
    """
    if len(outputs) != 1:
        raise ValueError(
            f"The model {str(path)!r} has {len(outputs)} outputs; only models of one output can be "
            "measured."
        )
    return outputs[0]
