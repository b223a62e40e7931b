"""A file that tells what is left of each weight of a model that was cut."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def save_kept(path: Path, kept: Mapping[str, Mapping[int, np.ndarray]]) -> None:
    """Writes weight path -> axis -> positions that are left (`shrinking.Pruned.kept`)."""
    places = [(name, axis) for name, axes in sorted(kept.items()) for axis in sorted(axes)]
    header = np.frombuffer(json.dumps(places).encode(), np.uint8)
    arrays = {f"kept{i}": kept[name][axis] for i, (name, axis) in enumerate(places)}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, header=header, **arrays)


def load_kept(path: Path) -> dict[str, dict[int, np.ndarray]]:
    """Reads what `save_kept` wrote."""
    kept: dict[str, dict[int, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as archive:
        for i, (name, axis) in enumerate(json.loads(archive["header"].tobytes())):
            kept.setdefault(name, {})[axis] = archive[f"kept{i}"]
    return kept
