"""Charts of weights and scores, in the form that `figures` describes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from secateur.explanation.schema import Histogram, ScoreHistogram, WeightFacts
from secateur.report.figures import Choice, line_at, text


def weight_choices(weights: Sequence[WeightFacts]) -> list[Choice]:
    """Values of each weight: before, and what is not zero at the end."""
    found = []
    for weight in weights:
        data = [_bars(weight.values_before, "dense", "var(--dense)", 0.45)]
        if weight.values_after is not None:
            data.append(_bars(weight.values_after, "at the end, nonzero", "var(--final)", 0.85))
        layout = {
            "barmode": "overlay",
            "bargap": 0,
            "xaxis": {"title": {"text": "value"}},
            "yaxis": {"title": {"text": "weights"}, "tickformat": "~s"},
        }
        found.append({"label": weight.path, "data": data, "layout": layout})
    return found


def _bars(found: Histogram, name: str, color: str, opacity: float) -> dict[str, Any]:
    return {
        "type": "bar",
        "name": name,
        "x": _centers(found.low, found.high, len(found.counts)),
        "y": found.counts,
        "marker": {"color": color, "opacity": opacity, "line": {"width": 0}},
        "hovertemplate": f"{name}: %{{y:,}} around %{{x:.4f}}<extra></extra>",
    }


def _centers(low: float, high: float, count: int) -> list[float]:
    width = (high - low) / count
    return [float(f"{low + (place + 0.5) * width:.6g}") for place in range(count)]


def score_choices(
    overall: ScoreHistogram | None, weights: Sequence[WeightFacts], criterion: str
) -> list[Choice]:
    """Scores of all weights and of each one, kept and removed, with the threshold between them."""
    found = [] if overall is None else [_score_choice("all weights", overall, criterion)]
    scored = [(weight.path, weight.scores) for weight in weights]
    found += [_score_choice(path, scores, criterion) for path, scores in scored if scores]
    return found


def threshold(scores: ScoreHistogram) -> float | None:
    """The score at which removal ends, if the score alone decided."""
    low, high = scores.highest_removed, scores.lowest_kept
    if low is None or high is None or low > high or high <= 0:
        return None
    return math.sqrt(low * high) if low > 0 else high


def _score_choice(label: str, scores: ScoreHistogram, criterion: str) -> Choice:
    centers = _centers(scores.low, scores.high, len(scores.kept))
    shown = [f"{10**center:.3g}" for center in centers]
    parts = [("kept" if scores.removed else "scores", scores.kept, "var(--final)")]
    if scores.removed:
        parts.insert(0, ("removed", scores.removed, "var(--pruned)"))
    data = [
        {
            "type": "bar",
            "name": name,
            "x": centers,
            "y": counts,
            "customdata": shown,
            "marker": {"color": color, "line": {"width": 0}},
            "hovertemplate": f"{name}: %{{y:,}} around %{{customdata}}<extra></extra>",
        }
        for name, counts, color in parts
    ]
    ticks = range(math.ceil(scores.low), math.floor(scores.high) + 1)
    layout: dict[str, Any] = {
        "barmode": "stack",
        "bargap": 0,
        "xaxis": {
            "title": {"text": f"score ({text(criterion)})"},
            "tickvals": list(ticks),
            "ticktext": [f"10<sup>{tick}</sup>".replace("-", "−") for tick in ticks],
        },
        "yaxis": {"title": {"text": "weights"}, "tickformat": "~s"},
    }
    if len(ticks) < 2:
        spread = [scores.low, (scores.low + scores.high) / 2, scores.high]
        layout["xaxis"] |= {"tickvals": spread, "ticktext": [f"{10**x:.2g}" for x in spread]}
    line = threshold(scores)
    if line is not None:
        layout |= line_at(math.log10(line), f"threshold {line:.3g}")
    return {"label": label, "data": data, "layout": layout}
