"""What can be refused only with the data and the model at hand, before any training."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from secateur.models.config import ModelConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference
from tasks.quiet import import_tensorflow
from tasks.stage import read


@task(name="check", task_run_name="check", cache_policy=NO_CACHE)
def check(data: Reference, model: ModelConfig, target: TargetConfig) -> None:
    """Builds the model once, untrained, and refuses what does not fit.

    Raises:
        ValueError: One sentence: the model does not fit the data, or the target selects nothing.
    """
    import_tensorflow()
    from secateur.datasets.dataset import Dataset
    from secateur.models.build import build_model
    from secateur.sparsity.layout import describe
    from secateur.sparsity.scope import layer_ratios, scope

    dataset = Dataset(read(data).directory)
    chosen = scope(
        describe(build_model(model, dataset.shape, dataset.classes, dataset.traits)), target
    )
    if isinstance(target.allocation, dict):
        layer_ratios(chosen, target.allocation)
