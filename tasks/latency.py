"""The stage `latency`: how fast a model is in LiteRT on this machine, beside the dense model."""

from __future__ import annotations

import json
from typing import Any

from secateur.evaluation.machine import machine
from secateur.store import Reference, digest_of
from secateur.tasks.stage import Build, Product, read, stage


def _outside(**_: Any) -> Any:
    return machine()


@stage(outside=_outside)
def latency(build: Build, dense: Reference, model: Reference) -> Product:
    """Times one example on one thread; both models take turns, so that noise hits both."""
    from secateur.evaluation.litert_latency import litert_latency
    from secateur.models.files import load_model

    models = {"dense": dense, "model": model}
    networks = {name: load_model(read(m).directory / "model.keras") for name, m in models.items()}
    found = {name: each.median for name, each in litert_latency(networks).items()}
    (build.directory / "latency.json").write_text(json.dumps(found))
    return Product(digest_of(found), {})
