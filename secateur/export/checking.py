"""Whether an exported file does what the Keras model does, found out in its own runtime."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from secateur.datasets.dataset import Split
from secateur.evaluation.runtimes import Runner
from secateur.proof.record import ProofError

EXACT = 1e-3
"""Largest difference of a file of 32-bit floats, as a share of the largest output.

The runtimes sum in other orders than TensorFlow; networks of a hundred layers differ by 1e-5.
"""
_LEAST = 1e-6
"""A difference that is rounding however small the outputs are."""
_ROWS = 4096  # examples in memory at a time

Metrics = Callable[[], list[keras.metrics.Metric]]
"""Fresh metrics; the first one counts."""


class ExportMismatchError(ProofError):
    """An exported file does not do what the model does; one sentence."""


def metrics_of(runner: Runner, split: Split, metrics: Metrics) -> dict[str, float]:
    """Metrics of what a runner gives, on a whole split, of which a part is in memory."""
    found = metrics()
    for start in range(0, len(split), _ROWS):
        x, y = split.arrays(np.arange(start, min(start + _ROWS, len(split))))
        outputs = runner.predict(x)
        for metric in found:
            metric.update_state(y, outputs)
    return {metric.name: float(metric.result()) for metric in found}


def largest_difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest absolute difference of outputs from Keras's.

    Raises:
        ExportMismatchError: One sentence: another shape, or not finite where Keras's are.
    """
    if ours.shape != theirs.shape:
        raise ExportMismatchError(
            f"The exported {name} gives outputs of shape {ours.shape}, and the Keras model of "
            f"{theirs.shape}; leave {name} out of export.formats, and please report it."
        )
    finite = np.isfinite(theirs)
    if not np.array_equal(np.isfinite(ours), finite):
        raise ExportMismatchError(
            f"The exported {name} gives outputs that are not finite where Keras's are; look for "
            "very large values among the weights or in the data."
        )
    return float(np.abs(ours[finite] - theirs[finite]).max(initial=0.0))


def limit(theirs: np.ndarray) -> float:
    """The largest difference from these outputs that is rounding."""
    return max(EXACT * float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)), _LEAST)


def check_exact(
    name: str,
    difference: float,
    theirs: np.ndarray,
    first_wrong: Callable[[], str | None] = lambda: None,
) -> None:
    """Refuses a file of 32-bit floats whose outputs are others than Keras's.

    Args:
        name: Of the file.
        difference: The largest one from Keras's outputs.
        theirs: These.
        first_wrong: Finds the layer in which the difference begins, if that can be found.

    Raises:
        ExportMismatchError: One sentence.
    """
    if difference > limit(theirs):
        layer = first_wrong()
        where = f"from the layer '{layer}' on, " if layer else ""
        raise ExportMismatchError(
            f"The exported {name} differs from the Keras model by {difference:.2g} on real "
            f"examples, {where}where at most {limit(theirs):.2g} is rounding; leave {name} out of "
            "export.formats, and please report it."
        )


def check_quantized(
    name: str, ours: dict[str, float], theirs: dict[str, float], drop: float, higher: bool = True
) -> float:
    """Refuses a quantized or clustered file that loses too much on the validation split.

    Args:
        name: Of the file.
        ours: Metrics of the file; the first one decides.
        theirs: Those of the Keras model.
        drop: How much may be lost: of a metric that grows with quality as it is, of an error as a
            share of Keras's.
        higher: Whether a higher value is better.

    Returns:
        What is lost.

    Raises:
        ExportMismatchError: One sentence.
    """
    metric = next(iter(ours))
    lost = theirs[metric] - ours[metric]
    if not higher:
        lost = -lost / max(abs(theirs[metric]), 1e-12)
    if not lost <= drop:  # also where it is not a number
        raise ExportMismatchError(
            f"The exported {name} has the {metric} {ours[metric]:.4f} on validation data, and the "
            f"Keras model {theirs[metric]:.4f}: it loses more than export.accuracy_drop "
            f"({drop:g}) allows; allow more, keep more clusters, or choose another "
            "export.quantize (int16x8 and float16 lose less)."
        )
    return lost
