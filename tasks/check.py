"""What can be refused only with the data and the model at hand, before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from secateur.models.config import ModelConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference
from secateur.tasks.quiet import import_tensorflow
from secateur.tasks.stage import read
from secateur.training.fit_config import FitConfig
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.regularizer_config import RegularizerConfig


@task(name="check", task_run_name="check", cache_policy=NO_CACHE)
def check(
    data: Reference,
    model: ModelConfig,
    target: TargetConfig,
    regularizers: Sequence[RegularizerConfig] = (),
    trainings: Mapping[str, FitConfig] | None = None,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
) -> None:
    """Builds the model once, untrained, and refuses what does not fit.

    Raises:
        ValueError: One sentence: the model does not fit the data, or the target selects nothing,
            or a penalty has nothing to act on, or a training or the objective does not fit.
    """
    import_tensorflow()
    from secateur.datasets.dataset import Dataset
    from secateur.models.build import build_model
    from secateur.sparsity.layout import describe
    from secateur.sparsity.scope import layer_ratios, scope
    from secateur.training.fit import check_fit
    from secateur.training.joint import objective_of
    from secateur.training.regularizer import sparse

    dataset = Dataset(read(data).directory)
    network = build_model(model, dataset.shape, dataset.classes, dataset.traits)
    chosen = scope(describe(network), target)
    if isinstance(target.allocation, dict):
        layer_ratios(chosen, target.allocation)
    for config in regularizers:
        sparse(network, config, steps=1)
    goal = objective_of(objective, dataset.goal)
    goal.metrics(network)
    for group, training in (trainings or {}).items():
        if training.epochs:
            check_fit(network, dataset.train, dataset.validation, training, goal, group)
