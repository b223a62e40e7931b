from __future__ import annotations

import numpy as np

from secateur.importance.gradients.engine import per_example_sums
from secateur.importance.run import Run


def gradient(run: Run) -> dict[str, np.ndarray]:
    """R_w = Σ_i |∂L_i/∂w|, the absolute gradient of each example's own loss, summed.

    The absolute value is taken inside the sum: an example that pulls a weight up and one that
    pulls it down do not cancel. L_i is the loss of example i alone, see `run.losses`.
    """
    return per_example_sums(run, power=1)
