"""The stage `train`: a dense model, trained or loaded."""

from __future__ import annotations

from typing import Any

from secateur.models.config import ModelConfig
from secateur.models.sources import source_fingerprint
from secateur.store import Reference, digest_of
from secateur.tasks.deadline import Halt
from secateur.tasks.progress import epochs_shown
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.config import TrainConfig
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(model: ModelConfig, objective: ObjectiveConfig, **_: Any) -> Any:
    return source_fingerprint(model), objective_fingerprint(objective)


@stage(outside=_outside)
def train(
    build: Build,
    data: Reference,
    model: ModelConfig,
    train: TrainConfig,
    seed: int,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
) -> Product:
    """Builds or loads the model and trains it; a killed training goes on from its last epoch."""
    import keras

    from secateur.datasets.dataset import Dataset
    from secateur.models.build import build_model
    from secateur.models.files import save_model
    from secateur.models.weights import content_digest
    from secateur.training.computing import on_devices
    from secateur.training.early import EarlyWeights
    from secateur.training.fit import fit
    from secateur.training.joint import objective_of

    dataset = Dataset(read(data).directory)
    keras.utils.clear_session()  # layers that have no name get the same ones in every run
    keras.utils.set_random_seed(seed)
    with on_devices(train.compute, "train"):
        network = build_model(model, dataset.shape, dataset.classes, dataset.traits)
    early = None if train.keep_epoch is None else EarlyWeights(network, train.keep_epoch)
    # What is rewound to belongs to the result, so that a deadline waits for it.
    halt = Halt("train", train.epochs or 0, at_least=max(1, train.keep_epoch or 0))
    with epochs_shown("train", train.epochs or 0) as progress:
        history = fit(
            network,
            dataset.train,
            dataset.validation,
            train,
            seed=seed,
            objective=objective_of(objective, dataset.goal),
            companions=[early] if early else [],
            checkpoints=build.partial,
            progress=progress,
            stop=halt.asked,
            group="train",
        )
    saved = build.directory / "model.keras"
    save_model(network, saved)
    digest = content_digest(network)
    if early:
        early.save(build.directory / "early.npz")
        digest = digest_of([digest, early.digest()])
    checks = proved(network, saved, "after training", data=data)
    found = {"history": history, "checks": checks, "notices": train.told(len(dataset.train))}
    return Product(digest, found, halt.said)
