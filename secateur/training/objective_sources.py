"""What may be used as a loss or metric, answered without importing TensorFlow or user's code."""

from __future__ import annotations

from importlib.util import find_spec

from secateur.models.sources import ModelSettings
from secateur.store import package_digest
from secateur.training.objective_config import ObjectiveConfig


def check_objective(config: ObjectiveConfig) -> None:
    """Refuses functions from modules that are not allowed or not there.

    Raises:
        ValueError: One sentence.
    """
    for name in config.own:
        module = name.partition(":")[0]
        if not ModelSettings().allows(module):
            raise ValueError(
                f"objective names {name!r}, which is in a module that the operator has not "
                "allowed; name it in the environment variable SECATEUR_MODEL_MODULES where the "
                "pipeline runs."
            )
        if find_spec(module.partition(".")[0]) is None:
            raise ValueError(f"objective names the module {module!r}, which is not installed.")


def objective_fingerprint(config: ObjectiveConfig) -> dict[str, str] | None:
    """Digests of the user's code behind loss and metrics; None where there is none."""
    return {name: package_digest(name.partition(":")[0]) for name in config.own} or None
