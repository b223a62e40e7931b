"""The stage `explain`: what pruning changed, for the report; and TensorBoard's logs."""

from __future__ import annotations

from collections.abc import Sequence

from secateur.store import Reference, digest_of
from tasks.stage import Build, Product, read, stage


@stage()
def explain(
    build: Build,
    data: Reference,
    dense: Reference,
    pruned: Reference,
    tuned: Reference,
    scores: Reference | None = None,
) -> Product:
    """Compares the model before pruning and at the end: weights, masks and answers.

    `scores` are those that the last choice was made by, and `pruned` has its masks, if any.
    """
    from secateur.datasets.dataset import Dataset
    from secateur.explanation.explain import explain
    from secateur.importance.scores import Scores
    from secateur.models.files import load_model
    from secateur.sparsity.masks import Masks

    masks = read(pruned).directory / "masks.npz"
    facts, pictures = explain(
        load_model(read(dense).directory / "model.keras"),
        load_model(read(tuned).directory / "model.keras"),
        Dataset(read(data).directory),
        Scores.load(read(scores).directory / "scores.npz") if scores else None,
        Masks.load(masks) if masks.exists() else None,
    )
    facts.save(build.directory, pictures)
    return Product(digest_of(facts), {})
