"""What a criterion's scores depend on outside this package, told without importing it."""

from __future__ import annotations

from secateur.importance.names import criterion_entry
from secateur.store import package_digest


def criterion_fingerprint(name: str) -> str | None:
    """Digest of the code that a criterion of another package comes from; None for one of our own.

    It belongs into the key of whatever is computed by that criterion, whose source is not part of
    this project's. Nothing is imported.

    Raises:
        ValueError: There is no such criterion, or its package cannot be found.
    """
    entry = criterion_entry(name)
    return None if entry is None else package_digest(entry.module)
