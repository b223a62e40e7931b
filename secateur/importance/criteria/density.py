from __future__ import annotations

import numpy as np

from secateur.importance.run import Run
from secateur.importance.units import unit_map


def density(run: Run) -> dict[str, np.ndarray]:
    """S = N_nonzero / N_total of a unit's weights; those up to the tolerance count as zero."""
    units = unit_map(run.model, run.weights)
    return {
        w.path: (np.abs(units[w.path].rows(run.value(w))) > run.tolerance).mean(1)
        for w in run.weights
    }
