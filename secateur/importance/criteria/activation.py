from __future__ import annotations

import numpy as np
import tensorflow as tf

from secateur.importance.activations import Activations
from secateur.importance.run import Run


def activation(run: Run) -> dict[str, np.ndarray]:
    """R_a = Σ_i |∂L_i/∂a|, the absolute gradient of each example's loss by the activation.

    A unit that is active at several positions (pixels, time steps) adds up all of them: each
    is an activation of its own.
    """
    sums = Activations(run).totals(
        lambda _, seen: tf.reduce_sum(tf.abs(seen.deltas), [0, 1]), gradients=True
    )
    return {path: total for path, (total, _) in sums.items()}
