"""The stage `fine_tune`: the pruned model trained on, its zeros held."""

from __future__ import annotations

import contextlib
from typing import Any

from secateur.store import Reference
from secateur.tasks.deadline import Halt
from secateur.tasks.progress import epochs_shown
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.fit_config import FitConfig
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(objective: ObjectiveConfig, **_: Any) -> Any:
    return objective_fingerprint(objective)


@stage(outside=_outside)
def fine_tune(
    build: Build,
    data: Reference,
    pruned: Reference,
    fine_tune: FineTuneConfig,
    seed: int,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
    teacher: Reference | None = None,
    rewound: FitConfig | None = None,
    early: Reference | None = None,
) -> Product:
    """Trains what is left; a killed fine-tuning goes on from its last epoch.

    `teacher` is the dense model, where `fine_tune.distill` has it teach; `rewound` the training
    whose rates come again, and `early` the dense model that holds the weights to begin with.
    """
    import keras

    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.hold import hold
    from secateur.sparsity.masks import Masks
    from secateur.training.computing import on_devices
    from secateur.training.distillation import taught_by
    from secateur.training.early import rewind
    from secateur.training.fit import fit
    from secateur.training.joint import objective_of

    dataset = Dataset(read(data).directory)
    folder = read(pruned).directory
    keras.utils.set_random_seed(seed)
    with on_devices(fine_tune.compute, "fine_tune"):
        network = load_model(folder / "model.keras")
        knows = load_model(read(teacher).directory / "model.keras") if teacher else None
    goal = objective_of(objective, dataset.goal)
    if early:
        rewind(network, read(early).directory / "early.npz")
    halt = Halt("fine_tune", fine_tune.epochs)
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(epochs_shown("fine_tune", fine_tune.epochs))
        masks = Masks.load(file) if (file := folder / "masks.npz").exists() else None
        if masks is not None:  # what was removed for good needs none
            stack.enter_context(hold(network, masks))
        history = fit(
            network,
            dataset.train,
            dataset.validation,
            fine_tune,
            seed=seed,
            objective=goal,
            around=taught_by(knows, fine_tune.distill, goal),
            rewound=rewound,
            checkpoints=build.partial,
            progress=progress,
            stop=halt.asked,
            group="fine_tune",
        )
    saved = build.directory / "model.keras"
    save_model(network, saved)
    checks = proved(network, saved, "after fine-tuning", data=data, masks=masks)
    return Product(content_digest(network), {"history": history, "checks": checks}, halt.said)
