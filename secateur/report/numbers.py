"""All numbers of a report, by flat names, for tools that compare runs."""

from __future__ import annotations

from secateur.evaluation.schema import Cost
from secateur.report.schema import Report
from secateur.report.tables import SUBJECTS


def numbers(report: Report) -> dict[str, float]:
    """Such as `fine_tuned.accuracy`, `dense.bytes.keras.gzip` and `sparsity`."""
    found: dict[str, float] = {"sparsity": report.sparsity}
    for field, _ in SUBJECTS:
        found |= cost_numbers(getattr(report, field), f"{field}.")
    return found


def cost_numbers(cost: Cost, prefix: str = "") -> dict[str, float]:
    """The same of one model; what was not counted is left out."""
    found: dict[str, float] = {}

    def add(name: str, value: object) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                add(f"{name}.{key}", each)
        elif isinstance(value, int | float):
            found[f"{prefix}{name}"] = value

    for name, value in cost.model_dump().items():
        if name == "metrics":
            for key, each in value.items():
                add(key, each)
        else:
            add(name, value)
    return found
