"""The trainings of a run, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

History = Mapping[str, Sequence[float]]
"""Metric -> a value for each epoch; metrics on the validation split begin with `val_`."""


def named(trainings: Iterable[tuple[str, History]]) -> dict[str, History]:
    """Gives trainings their names: that of the stage, with a number where it ran several times.

    Args:
        trainings: Stage and history of each, in order; those without an epoch are left out.
    """
    real = [(stage, history) for stage, history in trainings if any(history.values())]
    stages = [stage for stage, _ in real]
    found = {}
    for place, (stage, history) in enumerate(real):
        number = stages[: place + 1].count(stage)
        found[f"{stage}-{number}" if stages.count(stage) > 1 else stage] = history
    return found
