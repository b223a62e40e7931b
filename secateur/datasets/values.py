"""One array of data in memory, whoever holds it: NumPy, TensorFlow, pandas, or a list."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf


def array_of(value: Any, where: str) -> Any:
    """An array of numbers or texts whose first axis is the examples.

    Args:
        value: An array, a tensor, what has `to_numpy` (pandas, by position), or lists of values.
        where: What messages call it, such as `x`.

    Raises:
        ValueError: If it is sparse or ragged, a single value, or of other things.
    """
    if isinstance(value, tf.SparseTensor) or hasattr(value, "tocsr"):  # of SciPy, any format
        raise ValueError(f"{where} is sparse: pass a dense array, such as .toarray() gives.")
    if isinstance(value, tf.RaggedTensor):
        raise ValueError(f"{where} is ragged: pad it, such as with .to_tensor().")
    kept = isinstance(value, tf.Tensor | tf.Variable)
    array = value if kept else _from_python(value, where)
    if len(array.shape) == 0:
        raise ValueError(f"{where} is a single {type(value).__name__}, not an array of examples.")
    return array


def is_text(array: Any) -> bool:
    """Whether an array of `array_of` holds texts."""
    return array.dtype == tf.string if tf.is_tensor(array) else array.dtype.kind in "SUO"


def is_plain(values: Iterable[Any]) -> bool:
    """Whether lists hold nothing but numbers and texts, in lists of any depth: one array."""
    return all(
        is_plain(each) if isinstance(each, list | tuple) else _is_value(each) for each in values
    )


def _is_value(value: Any) -> bool:
    return isinstance(value, numbers.Number | np.generic | str | bytes)


def _from_python(value: Any, where: str) -> np.ndarray:
    to_numpy = getattr(value, "to_numpy", None)
    try:
        array = np.asarray(to_numpy() if to_numpy is not None else value)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{where} is ragged: pad its lists to one length.") from error
    if array.dtype == object and array.ndim:
        array = _typed(array, where)
    if array.dtype.kind in "mMO" or array.dtype.names:
        raise ValueError(
            f"{where} is a {type(value).__name__} of {array.dtype}, which no model takes: pass "
            "numbers or texts."
        )
    return array


def _typed(array: np.ndarray, where: str) -> np.ndarray:
    """Objects that are all numbers, or all texts, as such; pandas mixes columns that way."""
    values = array.ravel().tolist()
    if values and all(isinstance(each, str) for each in values):
        return array.astype(str)
    if values and all(isinstance(each, bytes) for each in values):
        return array
    if any(isinstance(each, list | tuple | np.ndarray) for each in values):
        raise ValueError(f"{where} is ragged, or holds lists: stack them to one array, padded.")
    if not all(isinstance(each, numbers.Real | np.bool_) for each in values):
        kinds = sorted({type(each).__name__ for each in values})
        raise ValueError(
            f"{where} holds values of {', '.join(kinds)}: pass numbers alone or texts alone, and "
            "fill in what is missing."
        )
    return np.array(values).reshape(array.shape)
