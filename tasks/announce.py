"""Events by which a Prefect server can act on what a run found."""

from __future__ import annotations

from typing import Any

from prefect.events import emit_event
from prefect.runtime import flow_run

from secateur.report.tables import show

REPORT = "secateur.report"
"""A run has written its report."""
ACCURACY_LOW = "secateur.accuracy.low"
"""… and its first metric does not reach the bar that was set."""


def announce(
    value: float,
    sparsity: float,
    bar: float | None,
    facts: dict[str, Any],
    metric: str = "accuracy",
    higher: bool = True,
) -> None:
    """Emits `secateur.report`, and `secateur.accuracy.low` if the metric does not reach the bar.

    The resource of both is `secateur.report.<id of the flow run>`; its labels, and the payload
    with `facts`, hold the numbers.

    Args:
        value: The first metric on the test split, of the final or the best model.
        sparsity: Share of zeros in that model's prunable weights.
        bar: The lowest value that is good enough, of an error the highest; None for no bar.
        facts: What else the payload shall hold, in plain JSON.
        metric: Its name.
        higher: Whether a higher value is better.
    """
    name = flow_run.get_name() or "run"
    resource = {
        "prefect.resource.id": f"{REPORT}.{flow_run.get_id() or 'none'}",
        "prefect.resource.name": name,
        f"secateur.{metric}": f"{value:.4f}",
        "secateur.sparsity": f"{sparsity:.4f}",
    }
    payload = {metric: value, "sparsity": sparsity, **facts}
    event = emit_event(REPORT, resource=resource, payload=payload)
    if bar is not None and (value < bar if higher else value > bar):
        told, least = show(metric, value), show(metric, bar)
        message = f"{name} ended with {metric} {told}; the bar is {least}."
        low = {**payload, "bar": bar, "message": message}
        emit_event(ACCURACY_LOW, resource=resource, payload=low, follows=event)
