from __future__ import annotations

import numpy as np
import tensorflow as tf

from secateur.importance.activations import Activations
from secateur.importance.run import Run


def apoz(run: Run) -> dict[str, np.ndarray]:
    """1 − APoZ, the share of examples and positions at which the activation is not zero.

    It tells units apart only behind activations that give exact zeros, such as ReLU.

    Source: Hu et al. 2016, "Network trimming: a data-driven neuron pruning approach towards
    efficient deep architectures", eq. 1 (the average percentage of zeros).
    """
    sums = Activations(run).totals(
        lambda _, seen: tf.math.count_nonzero(seen.values, [0, 1], dtype=tf.float64)
    )
    return {path: total / count for path, (total, count) in sums.items()}
