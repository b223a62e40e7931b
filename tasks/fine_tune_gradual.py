"""The stage `fine_tune` with schedule gradual: a dense model pruned while it trains."""

from __future__ import annotations

from typing import Any

from secateur.importance.config import ImportanceConfig
from secateur.importance.sources import criterion_fingerprint
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from secateur.tasks.deadline import Halt
from secateur.tasks.progress import epochs_shown
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.objective_config import ObjectiveConfig
from secateur.training.objective_sources import objective_fingerprint


def _outside(importance: ImportanceConfig, objective: ObjectiveConfig, **_: Any) -> Any:
    return criterion_fingerprint(importance.criterion), objective_fingerprint(objective)


@stage(name="fine_tune", outside=_outside)
def fine_tune_gradual(
    build: Build,
    data: Reference,
    model: Reference,
    fine_tune: FineTuneConfig,
    seed: int,
    target: TargetConfig,
    importance: ImportanceConfig,
    objective: ObjectiveConfig = ObjectiveConfig(),  # noqa: B008  (frozen)
    teacher: Reference | None = None,
) -> Product:
    """Trains and prunes; when it was killed it goes on from its last epoch, masks included.

    `teacher` is the dense model, where `fine_tune.distill` has it teach.
    """
    import keras

    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.training.computing import on_devices
    from secateur.training.distillation import taught_by
    from secateur.training.fit import fit
    from secateur.training.joint import objective_of

    dataset = Dataset(read(data).directory)
    keras.utils.set_random_seed(seed)
    with on_devices(fine_tune.compute, "fine_tune"):
        network = load_model(read(model).directory / "model.keras")
        knows = load_model(read(teacher).directory / "model.keras") if teacher else None
    goal = objective_of(objective, dataset.goal)
    steps = fine_tune.epochs * fine_tune.steps(len(dataset.train))
    halt = Halt("fine_tune", fine_tune.epochs)
    with (
        epochs_shown("fine_tune", fine_tune.epochs) as progress,
        _pruning(network, dataset, target, importance, steps, seed, goal) as pruning,
    ):
        history = fit(
            network,
            dataset.train,
            dataset.validation,
            fine_tune,
            seed=seed,
            objective=goal,
            around=taught_by(knows, fine_tune.distill, goal),
            checkpoints=build.partial,
            progress=progress,
            stop=halt.asked,
            group="fine_tune",
            companions=[pruning],
        )
        masks = pruning.finish()
    masks.save(build.directory / "masks.npz")
    saved = build.directory / "model.keras"
    save_model(network, saved)
    checks = proved(network, saved, "after fine-tuning", data=data, masks=masks)
    digest = digest_of([content_digest(network), masks.digest()])
    found = {"history": history, "notices": list(masks.notices), "checks": checks}
    return Product(digest, found, halt.said)


def _pruning(
    network: Any,
    dataset: Any,
    target: TargetConfig,
    importance: ImportanceConfig,
    steps: int,
    seed: int,
    objective: Any,
) -> Any:
    from secateur.importance.names import BUILT_IN
    from secateur.importance.scoring import score
    from secateur.models.weights import content_digest
    from secateur.sparsity.gradual import GradualPruning
    from secateur.sparsity.zeros import masks_of_zeros
    from secateur.training.batches import calibration

    def scores() -> Any:
        return score(
            network,
            calibration(dataset.train, importance.examples, seed),
            importance.criterion,
            loss=objective.loss(network),
            batch_size=importance.batch_size,
            seed=seed,
            pool=importance.pool,
            tolerance=importance.tolerance,
        )

    choose = None
    if target.cuts:
        from secateur.structure.gradual import chooser

        choose = chooser(network)
    known = BUILT_IN.get(importance.criterion)
    return GradualPruning(
        network,
        target,
        steps,
        None if importance.criterion == "movement" else scores,
        remember=known is not None and not known.data,
        model_digest=content_digest(network),
        choose=choose,
        zeros=masks_of_zeros(network),
    )
