"""What a criterion's scores depend on outside this package, told without importing it."""

from __future__ import annotations

from importlib import metadata

from secateur.importance.names import BUILT_IN, ENTRY_POINTS
from secateur.store import package_digest


def criterion_fingerprint(name: str) -> str | None:
    """Digest of the code of another package's criterion; None for a built-in one."""
    if name in BUILT_IN:
        return None
    entry = next(iter(metadata.entry_points(group=ENTRY_POINTS, name=name)))
    return package_digest(entry.module)
