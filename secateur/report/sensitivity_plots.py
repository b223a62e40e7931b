"""Pictures of how sensitive layers are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from secateur.searching.curves import Sensitivity

_LABELLED = 12
"""Curves up to which each one has a colour and a name of its own."""


def write_png(found: Sequence[Sensitivity], path: Path | BinaryIO) -> None:
    """Accuracy against the share removed of one layer alone, a panel for each pattern."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2 * len(found)), dpi=120, layout="constrained")
    panels = figure.subplots(len(found), squeeze=False)[:, 0]
    for axes, each in zip(panels, found, strict=True):
        single = all(len(curve.points) <= 1 for curve in each.curves)
        (_bars if single else _lines)(axes, each)
        axes.set_title(f"pattern {each.pattern}, without fine-tuning")
        axes.grid(alpha=0.3)
    figure.savefig(path)


def _lines(axes, found: Sensitivity) -> None:
    from matplotlib import colormaps

    colours = colormaps["viridis"]
    many = len(found.curves) > _LABELLED
    for place, curve in enumerate(found.curves):
        x = [0.0, *(point.ratio for point in curve.points)]
        y = [100 * found.accuracy, *(100 * point.accuracy for point in curve.points)]
        colour = colours(place / max(1, len(found.curves) - 1) * 0.92)
        label = curve.layer if not many or place in (0, len(found.curves) - 1) else None
        axes.plot(x, y, "o-", markersize=3.5, color=colour, label=label)
    axes.axhline(100 * found.accuracy, color="#c1440e", linestyle="--", linewidth=1)
    axes.set_xlabel("share of the layer removed")
    axes.set_ylabel("validation accuracy, %")
    axes.legend(fontsize=8, title="first and last layer" if many else None)


def _bars(axes, found: Sensitivity) -> None:
    curves = [curve for curve in found.curves if curve.points]
    axes.barh(
        [curve.layer for curve in curves],
        [100 * curve.points[0].accuracy for curve in curves],
        color="#0b6e4f",
    )
    axes.invert_yaxis()
    axes.axvline(100 * found.accuracy, color="#c1440e", linestyle="--")
    axes.set_xlabel("validation accuracy without it, %")
    axes.tick_params(axis="y", labelsize=8 if len(curves) <= 25 else 5)
