"""The stage `fine_tune`: the pruned model trained on, its zeros held."""

from __future__ import annotations

import contextlib

from secateur.store import Reference
from secateur.training.fine_tune_config import FineTuneConfig
from tasks.progress import epochs_shown
from tasks.stage import Build, Product, read, stage


@stage()
def fine_tune(
    build: Build, data: Reference, pruned: Reference, fine_tune: FineTuneConfig, seed: int
) -> Product:
    """Trains what is left; a killed fine-tuning goes on from its last epoch."""
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
        if (folder / "masks.npz").exists():  # what was removed for good needs none
            stack.enter_context(hold(network, Masks.load(folder / "masks.npz")))
        history = fit(
            network,
            dataset.train,
            dataset.validation,
            fine_tune,
            seed=seed,
            checkpoints=build.partial,
            progress=progress,
            group="fine_tune",
        )
    save_model(network, build.directory / "model.keras")
    return Product(content_digest(network), {"history": history})
