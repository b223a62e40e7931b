"""The section Checked of every report: what was proved of the models of a run, and how closely."""

from __future__ import annotations

from collections.abc import Sequence

from secateur.proof.record import Check
from secateur.proof.telling import SUBJECTS

NOTE = (
    "Each line was proved on the models and data of this run; a difference is a share of the "
    "largest value compared."
)
"""What the table of the checks needs to be read."""


def checked_table(checks: Sequence[Check]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: what was proved, a row each; of the same proof over again, the worst."""
    worst: dict[tuple[str, str, int, float], float] = {}
    for check in sorted(checks, key=lambda check: SUBJECTS.index(check.subject)):
        what = (check.subject, check.statement, check.examples, check.tolerance)
        worst[what] = max(worst.get(what, 0.0), check.difference)
    rows = [
        [
            statement,
            f"{examples:,}" if examples else "",
            f"{difference:.2g}",
            f"{tolerance:.2g}" if tolerance else "none",
        ]
        for (_, statement, examples, tolerance), difference in worst.items()
    ]
    return ["what was proved", "examples", "largest difference", "allowed"], rows
