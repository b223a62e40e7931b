"""The stage `train`: a dense model, trained or loaded."""

from __future__ import annotations

from typing import Any

from secateur.models.config import ModelConfig
from secateur.models.sources import source_fingerprint
from secateur.store import Reference
from secateur.training.config import TrainConfig
from tasks.progress import epochs_shown
from tasks.stage import Build, Product, read, stage


def _outside(model: ModelConfig, **_: Any) -> Any:
    return source_fingerprint(model)


@stage(outside=_outside)
def train(
    build: Build, data: Reference, model: ModelConfig, train: TrainConfig, seed: int
) -> Product:
    """Builds or loads the model and trains it; a killed training goes on from its last epoch."""
    import keras

    from secateur.datasets.dataset import Dataset
    from secateur.models.build import build_model
    from secateur.models.files import save_model
    from secateur.models.weights import content_digest
    from secateur.training.fit import fit

    dataset = Dataset(read(data).directory)
    keras.utils.clear_session()  # layers that have no name get the same ones in every run
    keras.utils.set_random_seed(seed)
    network = build_model(model, dataset.shape, dataset.classes, dataset.traits)
    with epochs_shown("train", train.epochs or 0) as progress:
        history = fit(
            network,
            dataset.train,
            dataset.validation,
            train,
            seed=seed,
            checkpoints=build.partial,
            progress=progress,
            group="train",
        )
    save_model(network, build.directory / "model.keras")
    return Product(content_digest(network), {"history": history})
