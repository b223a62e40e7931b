from __future__ import annotations

import numpy as np

from secateur.importance.run import Run
from secateur.importance.units import unit_map

# Elements of one block of the matrix of distances.
_BLOCK = 1 << 22


def fpgm(run: Run) -> dict[str, np.ndarray]:
    """Σ_j ‖F_i − F_j‖₂, the distance of a unit's weights to those of all units of its layer.

    A filter near the geometric median can be made up for by the others. Biases do not count.

    Source: He et al. 2019, "Filter pruning via geometric median for deep convolutional neural
    networks acceleration", eq. 6.
    """
    units = unit_map(run.model, run.weights)
    return {w.path: _distances(units[w.path].rows(run.value(w))) for w in run.weights}


def _distances(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    rows -= rows.mean(0)  # ‖a‖² + ‖b‖² − 2ab loses less when the rows are centred
    squares = np.square(rows).sum(1)
    step = max(1, _BLOCK // len(rows))
    sums = np.empty(len(rows))
    for low in range(0, len(rows), step):
        part = slice(low, low + step)
        distances = squares[part, None] + squares - 2 * rows[part] @ rows.T
        np.maximum(distances, 0, out=distances)
        np.fill_diagonal(distances[:, low:], 0)
        sums[part] = np.sqrt(distances).sum(1)
    return sums
