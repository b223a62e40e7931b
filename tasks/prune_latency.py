"""The stage `prune` to a share of the measured latency, which is that of this machine."""

from __future__ import annotations

from typing import Any

from secateur.evaluation.machine import machine
from secateur.importance.config import ImportanceConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference
from secateur.tasks.prune_structure import cut_model
from secateur.tasks.stage import Build, Product, stage
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(objective: ObjectiveConfig, **_: Any) -> Any:
    return machine(), objective_fingerprint(objective)


@stage(name="prune", outside=_outside)
def prune_latency(
    build: Build,
    model: Reference,
    target: TargetConfig,
    data: Reference,
    importance: ImportanceConfig,
    seed: int,
    scores: Reference | None = None,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
) -> Product:
    """Cuts the model as `prune_structure` does, timing the candidates in LiteRT."""
    from secateur.structure.timing import LiteRTLatency

    return cut_model(build, model, target, data, importance, seed, scores, objective, LiteRTLatency)
