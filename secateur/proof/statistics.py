"""The proof that BatchNorm has the statistics of the data: what comes out of it is standardized."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from secateur.proof.record import Check, ProofError

_TOLERANCE = 2e-3
_TOLERANCE_HALF = 2e-2
"""Where a layer computes in 16 bits."""


def prove_statistics(
    model: keras.Model,
    layers: Sequence[keras.layers.BatchNormalization],
    inputs: Iterable[Any],
) -> Check:
    """Runs the model as it is and looks at the outputs of its BatchNormalization layers.

    By its definition, a layer with the right statistics gives each channel the mean β and the
    variance γ² v / (v + ε) over the data. Channels with γ = 0 are constant whatever the statistics.

    Args:
        model: A built model; it is left as it is.
        layers: The layers to look at.
        inputs: Batches of the inputs that the statistics are of.

    Raises:
        ProofError: The statistics of a layer are not those of the data.
    """
    start = time.monotonic()
    sums: dict[int, list[Any]] = {id(layer): [0, 0.0, 0.0] for layer in layers}
    examples = 0
    with _outputs(sums):
        for batch in inputs:
            model(batch, training=False)
            examples += len(keras.tree.flatten(batch)[0])
    worst, tolerance = 0.0, _TOLERANCE
    for layer in layers:
        allowed = _TOLERANCE if layer.compute_dtype in ("float32", "float64") else _TOLERANCE_HALF
        off = _off(layer, *sums[id(layer)])
        if not off <= allowed:
            raise ProofError(
                f"The statistics of BatchNormalization '{layer.name}' are not those of the data: "
                f"they are off by {off:.2%} of a deviation, {allowed:.1%} is allowed; measure them "
                "with secateur.structure.recalibrate on all examples, or fine-tune for an epoch."
            )
        worst, tolerance = max(worst, off), max(tolerance, allowed)
    count = len(layers)
    return Check(
        subject="statistics",
        statement=f"Mean and variance of {count} BatchNormalization layer"
        f"{'s are' if count > 1 else ' are'} those of what reaches them.",
        examples=examples,
        difference=worst,
        tolerance=tolerance,
        seconds=time.monotonic() - start,
    )


@contextlib.contextmanager
def _outputs(sums: dict[int, list[Any]]) -> Iterator[None]:
    """Sums up count, y and y² of what the layers give."""
    kind = keras.layers.BatchNormalization
    original = kind.__call__

    def counting(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        given = original(layer, inputs, *args, **kwargs)
        if id(layer) in sums:
            mask = kwargs.get("mask")
            mask = getattr(inputs, "_keras_mask", None) if mask is None else mask
            _count(layer, given, mask, sums[id(layer)])
        return given

    kind.__call__ = counting
    try:
        yield
    finally:
        if original is keras.layers.Layer.__call__:
            del kind.__call__
        else:
            kind.__call__ = original


def _count(layer: Any, given: Any, mask: Any, total: list[Any]) -> None:
    values = keras.ops.convert_to_numpy(keras.ops.cast(given, "float32")).astype(np.float64)
    rows = np.swapaxes(values, layer.axis, -1).reshape(-1, values.shape[layer.axis])
    if mask is not None:
        rows = rows[np.ravel(keras.ops.convert_to_numpy(mask)).astype(bool)]
    total[0] += len(rows)
    total[1] = total[1] + rows.sum(axis=0)
    total[2] = total[2] + np.einsum("ij,ij->j", rows, rows)


def _off(layer: Any, count: int, total: Any, squares: Any) -> float:
    """The largest difference of mean (from 0) and variance (from v / (v + ε)) of (y - β) / γ."""
    if not count:
        return float("inf")
    gamma = np.where(_gamma(layer) == 0, 1.0, _gamma(layer))
    mean = (total / count - _vector(layer.beta, 0.0)) / gamma
    variance = (squares / count - (total / count) ** 2) / gamma**2
    claimed = np.asarray(keras.ops.convert_to_numpy(layer.moving_variance), np.float64)
    wanted = claimed / (claimed + layer.epsilon)
    off = np.maximum(np.abs(mean), np.abs(variance - wanted))
    return float(np.max(np.where(_gamma(layer) == 0, 0.0, off), initial=0.0))


def _gamma(layer: Any) -> Any:
    return _vector(layer.gamma, 1.0)


def _vector(variable: Any, otherwise: float) -> Any:
    return otherwise if variable is None else np.asarray(keras.ops.convert_to_numpy(variable))
