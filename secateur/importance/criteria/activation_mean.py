from __future__ import annotations

import numpy as np
import tensorflow as tf

from secateur.importance.activations import Activations
from secateur.importance.run import Run


def activation_mean(run: Run) -> dict[str, np.ndarray]:
    """The mean of |a| over examples and positions; for ReLU simply the mean activation.

    Source: Molchanov et al. 2017, "Pruning convolutional neural networks for resource efficient
    inference", section 2.2.
    """
    sums = Activations(run).totals(lambda _, seen: tf.reduce_sum(tf.abs(seen.values), [0, 1]))
    return {path: total / count for path, (total, count) in sums.items()}
