"""The stage `fine_tune` as far as a rung: a part of the epochs, from where the last rung ended."""

from __future__ import annotations

import contextlib
import shutil
from typing import Any

from secateur.store import Reference
from secateur.tasks.progress import epochs_shown
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(objective: ObjectiveConfig, **_: Any) -> Any:
    return objective_fingerprint(objective)


@stage(name="fine_tune", outside=_outside)
def fine_tune_rung(
    build: Build,
    data: Reference,
    pruned: Reference,
    fine_tune: FineTuneConfig,
    seed: int,
    until: int,
    before: Reference | None = None,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
    teacher: Reference | None = None,
) -> Product:
    """Trains up to the epoch `until`; all rungs together give what one fine-tuning gives."""
    import keras

    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.hold import hold
    from secateur.sparsity.masks import Masks
    from secateur.training.checkpoint import Checkpoint
    from secateur.training.computing import on_devices
    from secateur.training.distillation import taught_by
    from secateur.training.fit import fit
    from secateur.training.joint import objective_of
    from secateur.training.stopping import StopAfter

    dataset = Dataset(read(data).directory)
    folder, state = read(pruned).directory, build.partial / "epoch.npz"
    if before and not state.exists():  # else it was killed on the way, and is further
        shutil.copyfile(read(before).directory / "epoch.npz", state)
    config = fine_tune
    if Checkpoint(build.partial).epochs() >= until:  # killed at the very end: nothing to train
        config = fine_tune.model_copy(update={"epochs": until})
    keras.utils.set_random_seed(seed)
    with on_devices(fine_tune.compute, "fine_tune"):
        network = load_model(folder / "model.keras")
        knows = load_model(read(teacher).directory / "model.keras") if teacher else None
    goal = objective_of(objective, dataset.goal)
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(epochs_shown("fine_tune", until))
        masks = Masks.load(file) if (file := folder / "masks.npz").exists() else None
        if masks is not None:
            stack.enter_context(hold(network, masks))
        history = fit(
            network,
            dataset.train,
            dataset.validation,
            config,
            seed=seed,
            objective=goal,
            around=taught_by(knows, fine_tune.distill, goal),
            companions=[StopAfter(until)],
            checkpoints=build.partial,
            progress=progress,
            group="fine_tune",
        )
    shutil.copyfile(state, build.directory / "epoch.npz")
    saved = build.directory / "model.keras"
    save_model(network, saved)
    checks = proved(network, saved, "after fine-tuning", data=data, masks=masks)
    return Product(content_digest(network), {"history": history, "checks": checks})
