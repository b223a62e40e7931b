"""The stage `correct`: the pruned model mended on training inputs, without training."""

from __future__ import annotations

import shutil

from secateur.correction.config import CorrectConfig
from secateur.proof.record import Check
from secateur.store import Reference, digest_of
from secateur.tasks.proving import proved
from secateur.tasks.stage import Build, Product, read, stage


@stage()
def correct(
    build: Build,
    data: Reference,
    model: Reference,
    pruned: Reference,
    correct: CorrectConfig,
    seed: int,
) -> Product:
    """Fits what is left of `model` to what it gave, layer by layer; zeros stay zero."""
    from secateur.correction.correct import correct as mend
    from secateur.datasets.dataset import Dataset
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest
    from secateur.sparsity.masks import Masks
    from secateur.structure.kept import load_kept
    from secateur.structure.recalibration import remeasure
    from secateur.training.batches import calibration

    folder = read(pruned).directory
    network = load_model(folder / "model.keras")
    masks = Masks.load(folder / "masks.npz") if (folder / "masks.npz").exists() else None
    cut = (folder / "kept.npz").exists()
    assert correct.method is not None, "not resolved"
    inputs = calibration(Dataset(read(data).directory).train, correct.examples, seed)
    checks: list[Check] = []
    notices = mend(
        network,
        load_model(read(model).directory / "model.keras"),
        inputs,
        method=correct.method,
        masks=masks,
        kept=load_kept(folder / "kept.npz") if cut else None,
        batch_norm=False,
        examples=correct.examples,
        seed=seed,
        checks=checks,
    )
    if correct.batch_norm:
        found = remeasure(network, lambda: inputs, examples=correct.examples, seed=seed)
        notices += found.notices
        checks += found.checks
    saved = build.directory / "model.keras"
    save_model(network, saved)
    digest = content_digest(network)
    if masks is not None:
        shutil.copyfile(folder / "masks.npz", build.directory / "masks.npz")
        digest = digest_of([digest, masks.digest()])
    said = proved(network, saved, "after correction", data=data, masks=masks, checks=checks)
    return Product(digest, {"notices": notices, "checks": said})
