"""Data that are given to a function of the library, read as they are or refused in one sentence."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from secateur.datasets.values import array_of, is_plain, is_text

MOST_BATCHES = 100_000
"""After so many, what does not say how long it is counts as endless."""
MOST_BYTES = 2**31
"""What a generator may give, which has to be kept: it cannot be gone through again."""
ALLOWED = (
    "a tuple (x, y) or (x, y, sample_weight) of arrays, a tf.data.Dataset, a "
    "keras.utils.PyDataset, or a generator of batches"
)
_ENDLESS = (
    f"data gave {MOST_BATCHES:,} batches and no end: pass data.take(n) of an endless dataset, or "
    "apply tf.data.experimental.assert_cardinality(n) to a long one."
)


class Arrays(NamedTuple):
    """Inputs, labels and sample weights: arrays, or lists and dicts of them; the last may be None.

    The first axis of each is the examples, in one order for all.
    """

    x: Any
    y: Any
    weights: Any

    @property
    def size(self) -> int:
        """How many examples there are."""
        return len(next(leaf for leaf in tf.nest.flatten(tuple(self)) if leaf is not None))


Given: TypeAlias = Any
"""`Arrays`, a `tf.data.Dataset` or a `keras.utils.PyDataset`, as `read` gives them."""


def read(data: Any, *, batch_size: int = 32, limit: int | None = None) -> Given:
    """Data in one of three forms that all of the library takes; without any work, but generators.

    What pandas holds is taken by position, as `to_numpy()` gives it: an index means nothing here.
    Lists of numbers or texts are arrays; lists and dicts of arrays are several inputs or outputs.

    Args:
        data: A tuple `(x, y)` or `(x, y, sample_weight)`; a `tf.data.Dataset` or a
            `keras.utils.PyDataset` of batches of such tuples, or of inputs alone; or a generator
            of such batches, which is gone through at once and kept.
        batch_size: Of a dataset that is not batched.
        limit: How many examples are wanted, at most; with it a dataset may be endless.

    Raises:
        ValueError: One sentence on what cannot be read: sparse or ragged values, no examples or
            different numbers of them, no end.
    """
    if isinstance(data, tf.data.Dataset):
        return _dataset(data, batch_size, limit)
    if isinstance(data, keras.utils.PyDataset):
        _number_of_batches(data)
        return data
    if isinstance(data, Iterator):
        return _gathered(data, limit)
    if not isinstance(data, tuple) or not 2 <= len(data) <= 3:
        kind = type(data)
        what = f"{kind.__name__} of {len(data)}" if kind in (tuple, list) else kind.__name__
        raise ValueError(f"data is a {what}; it must be {ALLOWED}.")
    arrays = _arrays(data, "data")
    if not arrays.size:
        raise ValueError("data holds no examples.")
    return arrays


def check_inputs(model: keras.Model, data: Given) -> None:
    """Refuses text for a model that takes numbers, before Keras does so in many lines."""
    inputs = getattr(model, "inputs", None)
    if not isinstance(data, Arrays) or not inputs or any(x.dtype == "string" for x in inputs):
        return
    if any(is_text(leaf) for leaf in tf.nest.flatten(data.x)):
        raise ValueError(
            f"x holds text, and {model.name!r} takes numbers ({inputs[0].dtype}): pass what the "
            "model was trained on, or put a layer such as StringLookup in front of it."
        )


def parts(data: Given) -> tuple[Any, Any, Any]:
    """Inputs, labels and sample weights, as `fit` and `evaluate` take them."""
    return tuple(data) if isinstance(data, Arrays) else (data, None, None)


def batches_of(dataset: tf.data.Dataset | keras.utils.PyDataset) -> Iterator[Arrays]:
    """The batches, from the first one to the last.

    Raises:
        ValueError: As `read`.
    """
    if isinstance(dataset, tf.data.Dataset):
        elements: Iterator[Any] = iter(dataset.prefetch(1))
    else:
        elements = (dataset[number] for number in range(_number_of_batches(dataset)))
    with told():
        for element in elements:
            batch = _arrays(element, "a batch of data")
            if batch.size:
                yield batch


def number_of_batches(data: Given, batch_size: int) -> int | None:
    """Batches of an epoch; None for a dataset that does not say."""
    if isinstance(data, Arrays):
        return -(-data.size // batch_size)
    if isinstance(data, tf.data.Dataset):
        count = int(data.cardinality())
        return count if count >= 0 else None
    return _number_of_batches(data)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Says in one sentence what TensorFlow found in data while a model ran on them."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if _ENDLESS in str(error):
            raise ValueError(_ENDLESS) from None
        if "Cannot batch tensors with different shapes" in str(error):
            raise ValueError(
                "The examples of the dataset have different shapes: pad them, with padded_batch, "
                "or pass batches of equal ones."
            ) from error
        raise ValueError(_cause(error)) from error
    except tf.errors.UnimplementedError as error:  # such as text where numbers are due
        raise ValueError(_cause(error)) from error


def _cause(error: Exception) -> str:
    """The line of TensorFlow's many that tells what is wrong."""
    bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", str(error), re.DOTALL)  # how Keras marks it
    lines = [line.strip() for line in (bold.group(1) if bold else str(error)).splitlines()]
    told = [line for line in lines if line and not line.startswith(("File ", "[[", "Stack trace"))]
    last = re.sub(r"\{\{[^}]*\}\}\s*|\s*\[Op:.*", "", told[-1] if told else "")
    return (
        f"The model and its loss cannot be computed on these data ({last or type(error).__name__})"
        ": look at the shapes and types of inputs and labels, at the numbers of classes, and at "
        "sample weights."
    )


def _dataset(data: tf.data.Dataset, batch_size: int, limit: int | None) -> tf.data.Dataset:
    spec = data.element_spec
    parts = spec if isinstance(spec, tuple) else (spec,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(
            f"The dataset must yield (x, y) or (x, y, sample_weight), not {len(parts)} parts."
        )
    leaves = tf.nest.flatten(spec)
    for leaf in leaves:
        if not isinstance(leaf, tf.TensorSpec):
            kind = type(leaf).__name__.removesuffix("Spec").removesuffix("Tensor").lower()
            raise ValueError(f"The dataset yields {kind} values: make them dense arrays first.")
    count = int(data.cardinality())
    if count == 0:
        raise ValueError("data holds no examples.")
    if count == tf.data.INFINITE_CARDINALITY and limit is None:
        raise ValueError("The dataset has no end: pass data.take(n), n batches of it.")
    if _is_unbatched(leaves):
        data = data.batch(batch_size)
    if count == tf.data.UNKNOWN_CARDINALITY:
        data = data.enumerate().map(_with_an_end)
    return data


def _is_unbatched(leaves: list[tf.TensorSpec]) -> bool:
    """Whether the elements are single examples: some are single values, or first axes differ."""
    if any(leaf.shape.rank == 0 for leaf in leaves):
        return True
    first = {leaf.shape[0] if leaf.shape.rank else None for leaf in leaves}
    return len(first - {None}) > 1


def _with_an_end(number: tf.Tensor, *element: Any) -> Any:
    with tf.control_dependencies([tf.debugging.Assert(number < MOST_BATCHES, [_ENDLESS])]):
        return tf.nest.map_structure(tf.identity, element[0])


def _number_of_batches(data: keras.utils.PyDataset) -> int:
    count = data.num_batches
    if count is None:
        raise ValueError(
            f"The {type(data).__name__} has no end (num_batches is None): give it a number of "
            "batches."
        )
    if count == 0:
        raise ValueError("data holds no examples.")
    return int(count)


def _gathered(batches: Iterator[Any], limit: int | None) -> Arrays:
    """All that a generator gives, or its first `limit` examples, as arrays."""
    kept: list[Arrays] = []
    examples = volume = 0
    for batch in batches:
        kept.append(_arrays(batch, "a batch of the generator"))
        examples += kept[-1].size
        volume += sum(np.asarray(leaf).nbytes for leaf in _leaves(kept[-1]))
        if limit is not None and examples >= limit:
            break
        if len(kept) >= MOST_BATCHES or volume >= MOST_BYTES:
            raise ValueError(
                f"The generator gave {len(kept):,} batches and no end: pass "
                "itertools.islice(generator, n), or a tf.data.Dataset for more than 2 GiB."
            )
    if not examples:
        raise ValueError("data holds no examples.")
    try:
        return tf.nest.map_structure(lambda *parts: _joined(parts, limit), *kept)
    except ValueError as error:
        raise ValueError(
            "The batches of the generator differ in their shapes: pad them, or pass a "
            "tf.data.Dataset of them."
        ) from error


def _joined(parts: tuple[Any, ...], limit: int | None) -> np.ndarray | None:
    return None if parts[0] is None else np.concatenate(parts)[:limit]


def _arrays(data: Any, where: str) -> Arrays:
    parts = data if isinstance(data, tuple) else (data,)
    if not 1 <= len(parts) <= 3:
        raise ValueError(
            f"{where} must be (x, y) or (x, y, sample_weight), not {len(parts)} parts."
        )
    x, y, weights = (*parts, None, None)[:3]
    if x is None:
        raise ValueError(f"{where} has no inputs: x is None.")
    found = Arrays(_tree(x, "x"), _tree(y, "y"), _tree(weights, "sample_weight"))
    if any(is_text(leaf) for leaf in tf.nest.flatten((found.y, found.weights)) if leaf is not None):
        raise ValueError(
            "y holds text, which no loss takes: pass the numbers of the classes, such as "
            "np.unique(y, return_inverse=True)[1] gives."
        )
    sizes = {len(leaf) for leaf in _leaves(found)}
    if len(sizes) > 1:
        hint = " (a list of arrays counts as several inputs)" if isinstance(x, list) else ""
        raise ValueError(
            f"The arrays of {where} differ in their number of examples: {sorted(sizes)}{hint}."
        )
    return found


def _leaves(data: Arrays) -> list[Any]:
    return [leaf for leaf in tf.nest.flatten(tuple(data)) if leaf is not None]


def _tree(value: Any, where: str) -> Any:
    """The same structure with arrays for its leaves."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {name: _tree(each, f"{where}[{name!r}]") for name, each in value.items()}
    if isinstance(value, list | tuple) and not is_plain(value):
        made: Callable[..., Any] = getattr(type(value), "_make", type(value))
        return made([_tree(each, f"{where}[{place}]") for place, each in enumerate(value)])
    return array_of(value, where)
