"""The stage `source`: the pruned model that a transfer starts from, taken into the store."""

from __future__ import annotations

from typing import Any

from secateur.models.pruned_source import source_file, was_cut
from secateur.models.sources import file_digest
from secateur.tasks.stage import Build, Product, stage


def _outside(path: str) -> Any:
    file = source_file(path)
    return [file_digest(file), was_cut(file)]


@stage(outside=_outside)
def source(build: Build, path: str) -> Product:
    """Reads the file, and refuses a model that was not pruned."""
    from secateur.evaluation.counts import count_layers
    from secateur.models.files import load_model, save_model
    from secateur.models.weights import content_digest

    file = source_file(path)
    network = load_model(file)
    layers = count_layers(network)
    zeros = sum(layer.parameters - layer.nonzero for layer in layers)
    if not zeros and not was_cut(file):
        raise ValueError(
            f"transfer.source is {path!r}, which was not pruned: none of its weights is zero, and "
            "no report beside it tells of removed channels; prune it first."
        )
    save_model(network, build.directory / "model.keras")
    prunable = sum(layer.parameters for layer in layers)
    facts = {
        "input_shape": list(getattr(network, "input_shape", ()))[1:],
        "parameters": network.count_params(),
        "sparsity": zeros / prunable if prunable else 0.0,
    }
    return Product(content_digest(network), facts)
