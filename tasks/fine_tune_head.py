"""The stage `fine_tune` of a new head alone: the body stays as it is."""

from __future__ import annotations

import shutil

from secateur.store import Reference, digest_of
from secateur.tasks.deadline import Halt
from secateur.tasks.progress import epochs_shown
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage
from secateur.training.fine_tune_config import FineTuneConfig


@stage(name="fine_tune")
def fine_tune_head(
    build: Build,
    data: Reference,
    adapted: Reference,
    head: str,
    fine_tune: FineTuneConfig,
    seed: int,
) -> Product:
    """Trains the head; a killed training goes on from its last epoch. The masks are handed on."""
    import keras

    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.masks import Masks
    from secateur.training.computing import on_devices
    from secateur.training.fit import fit
    from secateur.training.heads import freeze_body, thaw

    dataset = Dataset(read(data).directory)
    before = read(adapted).directory
    keras.utils.set_random_seed(seed)
    with on_devices(fine_tune.compute, "fine_tune"):
        network = load_model(before / "model.keras")
    freeze_body(network, head)
    halt = Halt("fine_tune", fine_tune.epochs)
    with epochs_shown("fine_tune", fine_tune.epochs) as progress:
        history = fit(
            network,
            dataset.train,
            dataset.validation,
            fine_tune,
            seed=seed,
            checkpoints=build.partial,
            progress=progress,
            stop=halt.asked,
            group="fine_tune",
        )
    thaw(network)
    digests, masks = [content_digest(network)], None
    saved = build.directory / "model.keras"
    save_model(network, saved)
    if (before / "masks.npz").exists():
        masks = Masks.load(before / "masks.npz")
        digests.append(masks.digest())
        shutil.copyfile(before / "masks.npz", build.directory / "masks.npz")
    checks = proved(network, saved, "after fine-tuning", data=data, masks=masks)
    return Product(digest_of(digests), {"history": history, "checks": checks}, halt.said)
