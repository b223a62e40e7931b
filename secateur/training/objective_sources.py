"""What may be used as a loss or metric, answered without importing TensorFlow or user's code."""

from __future__ import annotations

from secateur.factories import check_factory
from secateur.store import package_digest
from secateur.training.objective_config import ObjectiveConfig


def check_objective(config: ObjectiveConfig) -> None:
    """Refuses functions from modules that are not allowed or not there.

    Raises:
        ValueError: One sentence.
    """
    for name, field in config.own.items():
        check_factory(field, name)


def objective_fingerprint(config: ObjectiveConfig) -> dict[str, str] | None:
    """Digests of the user's code behind loss and metrics; None where there is none."""
    return {name: package_digest(name.partition(":")[0]) for name in config.own} or None
