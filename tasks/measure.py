"""The stage `measure`: how fast a pruned model is beside the dense one, on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from secateur.evaluation.machine import machine
from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage


def _outside(**_: Any) -> Any:
    return machine()


@stage(outside=_outside)
def measure(
    build: Build,
    data: Reference,
    dense: Reference,
    pruned: Reference,
    dense_files: Reference,
    pruned_files: Reference,
) -> Product:
    """Times both models by turns, in each runtime that has files of them."""
    import numpy as np

    from secateur.datasets.dataset import Dataset
    from secateur.evaluation.measuring import BATCHES, measure_files
    from secateur.evaluation.sparse_size import sparse_sizes
    from secateur.models.files import load_model

    models = {"dense": dense, "fine_tuned": pruned}
    paths = {name: read(model).directory / "model.keras" for name, model in models.items()}
    files = {
        "dense": {"keras": paths["dense"], **_files(dense_files)},
        "fine_tuned": {"keras": paths["fine_tuned"], **_files(pruned_files)},
    }
    train = Dataset(read(data).directory).train
    x, _ = train.arrays(np.arange(max(BATCHES)))
    found = {
        name: measured.model_copy(update={"bytes": sparse_sizes(load_model(paths[name]))})
        for name, measured in measure_files(files, x).items()
    }
    text = {name: measured.model_dump(mode="json") for name, measured in found.items()}
    (build.directory / "measured.json").write_text(json.dumps(text, indent=2))
    return Product(digest_of(text), {})


def _files(exported: Reference) -> dict[str, Path]:
    """Files to time by runtime: `litert`, `litert-int8`, `onnxruntime`."""
    folder = read(exported).directory
    records = json.loads((folder / "exports.json").read_text())
    runtimes = {"litert": "litert", "onnx": "onnxruntime"}
    files = {}
    for record in records:
        format, hyphen, how = record["name"].partition("-")
        if format in runtimes:
            files[runtimes[format] + hyphen + how] = folder / "files" / record["file"]
    return files
