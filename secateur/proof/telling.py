"""Checks in one line, for a terminal and for `print`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from secateur.proof.record import Check, Subject

SUBJECTS: tuple[Subject, ...] = get_args(Subject)
"""In the order in which they are told."""


def checked_line(checks: Sequence[Check]) -> str:
    """Such as `Checked: copy, masks: largest difference 2e-07.`; empty without checks."""
    if not checks:
        return ""
    told = [subject for subject in SUBJECTS if any(c.subject == subject for c in checks)]
    largest = max(check.difference for check in checks)
    return f"Checked: {', '.join(told)}: largest difference {largest:.2g}."
