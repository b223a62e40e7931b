"""The stage `fine_tune` with masks that move: SET and RigL."""

from __future__ import annotations

from typing import Any

from secateur.store import Reference, digest_of
from secateur.tasks.deadline import Halt
from secateur.tasks.progress import epochs_shown
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(objective: ObjectiveConfig, **_: Any) -> Any:
    return objective_fingerprint(objective)


@stage(name="fine_tune", outside=_outside)
def fine_tune_dynamic(
    build: Build,
    data: Reference,
    pruned: Reference,
    fine_tune: FineTuneConfig,
    seed: int,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
    teacher: Reference | None = None,
) -> Product:
    """Trains what is left and moves it; a killed one goes on from its last epoch, masks too.

    `teacher` is the dense model, where `fine_tune.distill` has it teach.
    """
    import keras
    import numpy as np

    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.dynamic import DynamicSparsity, dense_gradients
    from secateur.sparsity.masks import Masks
    from secateur.training.computing import on_devices
    from secateur.training.distillation import taught_by
    from secateur.training.fit import fit
    from secateur.training.joint import objective_of, total_loss

    dataset = Dataset(read(data).directory)
    folder = read(pruned).directory
    keras.utils.set_random_seed(seed)
    with on_devices(fine_tune.compute, "fine_tune"):
        network = load_model(folder / "model.keras")
        knows = load_model(read(teacher).directory / "model.keras") if teacher else None
    masks = Masks.load(folder / "masks.npz")
    examples = dataset.train
    steps = fine_tune.epochs * fine_tune.steps(len(examples))
    goal = objective_of(objective, dataset.goal)
    loss = total_loss(goal, network)

    def gradients(step: int) -> Any:
        size = min(len(examples), fine_tune.batch(len(examples)))
        chosen = np.random.default_rng([seed, step]).choice(len(examples), size, replace=False)
        return dense_gradients(network, masks, loss, *examples.arrays(np.sort(chosen)))

    halt = Halt("fine_tune", fine_tune.epochs)
    with (
        epochs_shown("fine_tune", fine_tune.epochs) as progress,
        DynamicSparsity(network, masks, fine_tune.dynamic, steps, gradients, seed=seed) as dynamic,
    ):
        history = fit(
            network,
            examples,
            dataset.validation,
            fine_tune,
            seed=seed,
            objective=goal,
            around=taught_by(knows, fine_tune.distill, goal),
            companions=[dynamic],
            checkpoints=build.partial,
            progress=progress,
            stop=halt.asked,
            group="fine_tune",
        )
    dynamic.masks.save(build.directory / "masks.npz")
    saved = build.directory / "model.keras"
    save_model(network, saved)
    checks = proved(network, saved, "after fine-tuning", data=data, masks=dynamic.masks)
    digest = digest_of([content_digest(network), dynamic.masks.digest()])
    return Product(digest, {"history": history, "checks": checks}, halt.said)
