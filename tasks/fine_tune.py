"""The stage `fine_tune`: the pruned model trained on, its zeros held."""

from __future__ import annotations

import contextlib
import math
from typing import Any

from secateur.importance.config import ImportanceConfig
from secateur.importance.sources import criterion_fingerprint
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, digest_of
from secateur.training.fine_tune_config import FineTuneConfig
from tasks.progress import epochs_shown
from tasks.stage import Build, Product, read, stage


def _outside(importance: ImportanceConfig | None = None, **_: Any) -> Any:
    return criterion_fingerprint(importance.criterion) if importance else None


@stage(outside=_outside)
def fine_tune(
    build: Build,
    data: Reference,
    pruned: Reference,
    fine_tune: FineTuneConfig,
    seed: int,
    target: TargetConfig | None = None,
    importance: ImportanceConfig | None = None,
) -> Product:
    """Trains what is left; a killed fine-tuning goes on from its last epoch.

    With a `target`, whose schedule is gradual, it starts from a dense model and prunes along the
    way, by scores as `importance` says.
    """
    import keras

    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.hold import hold
    from secateur.sparsity.masks import Masks
    from secateur.training.fit import fit

    dataset = Dataset(read(data).directory)
    folder = read(pruned).directory
    keras.utils.set_random_seed(seed)
    network = load_model(folder / "model.keras")
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(epochs_shown("fine_tune", fine_tune.epochs))
        gradual = masks = None
        if target and importance:
            steps = fine_tune.epochs * math.ceil(len(dataset.train) / fine_tune.batch_size)
            gradual = _gradual(network, dataset, target, importance, steps, seed)
            stack.enter_context(gradual)
        elif (folder / "masks.npz").exists():  # what was removed for good needs none
            masks = Masks.load(folder / "masks.npz")
            stack.enter_context(hold(network, masks))
        history = fit(
            network,
            dataset.train,
            dataset.validation,
            epochs=fine_tune.epochs,
            batch_size=fine_tune.batch_size,
            learning_rate=fine_tune.learning_rate,
            seed=seed,
            checkpoints=build.partial,
            progress=progress,
            setting="fine_tune.learning_rate",
            pruning=gradual,
        )
        if gradual:
            masks = gradual.finish()
    save_model(network, build.directory / "model.keras")
    digest, notices = content_digest(network), list[str]()
    if gradual and masks:
        masks.save(build.directory / "masks.npz")
        digest, notices = digest_of([digest, masks.digest()]), list(masks.notices)
    return Product(digest, {"history": history, "notices": notices})


def _gradual(
    network: Any,
    dataset: Any,
    target: TargetConfig,
    importance: ImportanceConfig,
    steps: int,
    seed: int,
) -> Any:
    from secateur.importance.names import BUILT_IN
    from secateur.importance.scoring import score
    from secateur.models.weights import content_digest
    from secateur.sparsity.gradual import GradualPruning
    from secateur.training.batches import calibration
    from secateur.training.objective import classification_loss

    def scores() -> Any:
        return score(
            network,
            calibration(dataset.train, importance.examples, seed),
            importance.criterion,
            loss=classification_loss(network),
            batch_size=importance.batch_size,
            seed=seed,
            pool=importance.pool,
            tolerance=importance.tolerance,
        )

    known = BUILT_IN.get(importance.criterion)
    return GradualPruning(
        network,
        target,
        steps,
        None if importance.criterion == "movement" else scores,
        remember=known is not None and not known.data,
        model_digest=content_digest(network),
    )
