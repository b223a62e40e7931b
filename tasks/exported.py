"""What the stages `export` and `measure` found, for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from secateur.evaluation.schema import Cost
from secateur.export.schema import Export
from secateur.store import Reference
from secateur.tasks.stage import read


def records(exported: Reference) -> list[Export]:
    """The exported files, as they were checked."""
    text = (read(exported).directory / "exports.json").read_text()
    return [Export.model_validate(record) for record in json.loads(text)]


def with_exports(costs: Mapping[str, Cost], exports: Mapping[str, Reference]) -> dict[str, Cost]:
    """The costs with the sizes of exported files, latency and memory.

    Args:
        costs: By subject.
        exports: The artifacts `files`, `dense_files` and `measured`, where there are any.
    """
    full = {subject: cost.model_dump() for subject, cost in costs.items()}
    for subject, name in (("dense", "dense_files"), ("fine_tuned", "files")):
        if name in exports:
            for record in records(exports[name]):
                full[subject]["bytes"].setdefault(record.name, record.bytes)
    for subject, found in _measured(exports).items():
        full[subject]["bytes"] |= found.pop("bytes")
        full[subject] |= found
    return {subject: Cost.model_validate(cost) for subject, cost in full.items()}


def _measured(exports: Mapping[str, Reference]) -> dict[str, Any]:
    if "measured" not in exports:
        return {}
    return json.loads((read(exports["measured"]).directory / "measured.json").read_text())
