"""What a drop of accuracy on a finite validation split says, and what it leaves open.

Both models see the same examples, so the drop is a mean of paired differences (1, 0 or -1 each):
McNemar's setting. Two things make it uncertain: which examples the split happens to hold, and
which seed the training happened to have.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A quantity, and the standard error of its estimate."""

    value: float
    error: float

    def upper(self, confidence: float) -> float:
        """What it is below, with this confidence (one-sided, normal approximation)."""
        return self.value + margin(self.error, confidence)

    def certainty(self, bound: float) -> float:
        """How sure it is that the quantity is at most `bound`: the inverse of `upper`."""
        if not self.error:
            return float(self.value <= bound)
        return statistics.NormalDist().cdf((bound - self.value) / self.error)


def margin(error: float, confidence: float) -> float:
    """How far the truth may lie above an estimate with this standard error."""
    return statistics.NormalDist().inv_cdf(confidence) * error


def drop(dense: np.ndarray, runs: Sequence[np.ndarray]) -> Estimate:
    """How much accuracy falls from a dense model to the mean of some pruned ones.

    The error is that of the mean over examples of the differences between the dense model and the
    mean of the runs, `sqrt(Var / n)`, with two made-up examples beside them, one that was lost and
    one that was won (Agresti & Min 2005 add such to McNemar's interval, which else is too narrow
    where few examples change). With several runs the variance of their means joins it.

    Args:
        dense: For each example whether the dense model is right; booleans of shape (n,).
        runs: The same of the pruned models, one a seed, not empty.

    Returns:
        The drop (positive where accuracy falls) and its standard error, both as shares.
    """
    differences = dense.astype(np.float64) - np.mean([run.astype(np.float64) for run in runs], 0)
    n = len(differences)
    value = float(differences.mean())
    spread = float(np.append(differences, (1.0, -1.0)).var())
    error = math.sqrt(spread / (n + 2))
    means = [float(run.mean()) for run in runs]
    if len(means) > 1:
        error = math.hypot(error, statistics.stdev(means) / math.sqrt(len(means)))
    return Estimate(value, error)


def is_better(one: Sequence[np.ndarray], other: Sequence[np.ndarray], confidence: float) -> bool:
    """Whether the models `one` are more accurate than `other`, beyond the noise of both.

    Args:
        one, other: For each run and example whether it is right, on the same examples.
        confidence: One-sided, such as 0.95.
    """
    mean = np.mean([run.astype(np.float64) for run in one], 0)
    loss = mean - np.mean([run.astype(np.float64) for run in other], 0)
    error = math.sqrt(float(np.append(loss, (1.0, -1.0)).var()) / (len(loss) + 2))
    for runs in (one, other):
        if len(runs) > 1:
            means = [float(run.mean()) for run in runs]
            error = math.hypot(error, statistics.stdev(means) / math.sqrt(len(means)))
    return float(loss.mean()) > margin(error, confidence)
