"""Events by which a Prefect server can act on what a run found."""

from __future__ import annotations

from typing import Any

from prefect.events import emit_event
from prefect.runtime import flow_run

REPORT = "secateur.report"
"""A run has written its report."""
ACCURACY_LOW = "secateur.accuracy.low"
"""… and its accuracy is below the bar that was set."""


def announce(
    value: float,
    sparsity: float,
    bar: float | None,
    facts: dict[str, Any],
    metric: str = "accuracy",
) -> None:
    """Emits `secateur.report`, and `secateur.accuracy.low` if the accuracy is below the bar.

    The resource of both is `secateur.report.<id of the flow run>`; its labels, and the payload
    with `facts`, hold the numbers.

    Args:
        value: The first metric on the test split, of the final or the best model.
        sparsity: Share of zeros in that model's prunable weights.
        bar: The lowest accuracy that is good enough; None for no bar. Other metrics have none.
        facts: What else the payload shall hold, in plain JSON.
        metric: Its name.
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
    if bar is not None and metric == "accuracy" and value < bar:
        message = f"{name} ended with an accuracy of {value:.2%}; the bar is {bar:.2%}."
        low = {**payload, "bar": bar, "message": message}
        emit_event(ACCURACY_LOW, resource=resource, payload=low, follows=event)
