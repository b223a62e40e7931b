"""The stage `evaluate` of any model file: in its own runtime, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secateur.evaluation.machine import machine
from secateur.models.sources import file_digest
from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage


def _outside(path: str) -> Any:
    return [file_digest(path), machine()]


@stage(name="evaluate", outside=_outside)
def evaluate_file(build: Build, data: Reference, path: str) -> Product:
    """Metrics on the test split, bytes, latency and memory of a file."""
    from secateur.datasets.dataset import Dataset
    from secateur.evaluation.any_file import evaluate_any

    found = evaluate_any(Path(path), Dataset(read(data).directory))
    (build.directory / "file.json").write_text(found.model_dump_json(indent=2))
    return Product(digest_of(found), {})
