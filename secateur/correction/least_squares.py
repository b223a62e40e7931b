"""Linear layers fitted anew from sums over examples: weights under a mask, and biases."""

from __future__ import annotations

import numpy as np
import scipy.linalg


class Moments:
    """Sums over rows of a layer's inputs x and wanted outputs y: Σ x̂x̂ᵀ and Σ x̂yᵀ, x̂ = (x, 1).

    What least squares needs of any number of rows, in memory that does not grow with them.

    Args:
        groups: Products side by side, as in grouped convolutions; 1 elsewhere.
        inputs: Inputs of each.
        outputs: Outputs of each.
        products: Without them only means are kept: all that biases need.
    """

    def __init__(self, groups: int, inputs: int, outputs: int, *, products: bool = True):
        rows = inputs + 1 if products else 1
        self.gram = np.zeros((groups, rows, inputs + 1))
        self.cross = np.zeros((groups, rows, outputs))
        self.products = products

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Adds rows: float32 arrays (rows, groups, inputs) and (rows, groups, outputs)."""
        x = np.moveaxis(x, 1, 0)
        y = np.moveaxis(y, 1, 0)
        if self.products:
            transposed = np.swapaxes(x, 1, 2)
            self.gram[:, :-1, :-1] += transposed @ x
            self.cross[:, :-1] += transposed @ y
        sums = x.sum(1, dtype=np.float64)
        if self.products:
            self.gram[:, :-1, -1] += sums
        self.gram[:, -1, :-1] += sums
        self.gram[:, -1, -1] += x.shape[1]
        self.cross[:, -1] += y.sum(1, dtype=np.float64)

    def missing(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Mean of y − (x · weight + bias): what a bias has to make up for.

        Args:
            weight: (groups, inputs, outputs).
            bias: (groups, outputs).

        Returns:
            Float64 array (groups, outputs).
        """
        made = np.einsum("gi,gio->go", self.gram[:, -1, :-1], weight)
        return (self.cross[:, -1] - made) / self.gram[:, -1, -1:] - bias


def fit(
    moments: Moments,
    weight: np.ndarray,
    mask: np.ndarray,
    bias: np.ndarray | None,
    damping: float,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The weights under a mask, and the bias, with the least Σ ‖y − (x · weight + bias)‖².

    Each output by itself: `(X_SᵀX_S + λI) δ = X_Sᵀ (y − X_S w)` over what its mask keeps, so that
    what the rows say nothing of stays as it is (Hubara et al. 2021, "Accelerated sparse neural
    training", and He et al. 2017, "Channel pruning", equation 5, reconstruct in this way).

    Args:
        moments: Sums with products.
        weight: Values to begin with, (groups, inputs, outputs), zero where the mask is False.
        mask: True = kept, same shape.
        bias: (groups, outputs), or None for a layer without.
        damping: λ as a share of the mean of the diagonal of XᵀX, above 0.

    Returns:
        Weight (float64, zero where the mask is False) and bias.
    """
    groups, _, outputs = weight.shape
    solution = np.concatenate([weight, np.zeros((groups, 1, outputs))], axis=1)
    free = np.concatenate([mask, np.zeros((groups, 1, outputs), bool)], axis=1)
    if bias is not None:
        solution[:, -1], free[:, -1] = bias, True
    for group in range(groups):
        gram = moments.gram[group]
        residual = moments.cross[group] - gram @ solution[group]
        mean = float(np.diagonal(gram)[:-1].mean())
        ridge = damping * (mean if mean > 0 else 1.0)
        for columns in _alike(free[group]):
            rows = np.flatnonzero(free[group][:, columns[0]])
            if not rows.size:
                continue
            left = gram[np.ix_(rows, rows)]
            left[np.diag_indices(rows.size)] += ridge
            solution[group][np.ix_(rows, columns)] += _solve(left, residual[np.ix_(rows, columns)])
    return solution[:, :-1], None if bias is None else solution[:, -1]


def _solve(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    try:
        return scipy.linalg.cho_solve(scipy.linalg.cho_factor(left), right)
    except np.linalg.LinAlgError:  # inputs that follow from others, and next to no damping
        return np.linalg.lstsq(left, right, rcond=None)[0]


def _alike(free: np.ndarray) -> list[np.ndarray]:
    """Columns of a mask by what they keep: those with the same rows are solved at once."""
    _, place = np.unique(np.packbits(free, axis=0), axis=1, return_inverse=True)
    order = np.argsort(place, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(place[order])) + 1)
