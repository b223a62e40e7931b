"""Every architecture cut by 30 % and by 70 %: runs `pytest -m matrix` and writes its table.

    python -m benchmarks.structure_matrix [FILE] [-k NAMES]

Writes Markdown to FILE (default: the standard output); what else is given goes to pytest. Takes
about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = "tests/secateur/structure/test_architectures.py"


class Collector:
    """Collects what the tests record."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.rows.append({"passed": report.passed, **dict(report.user_properties)})


def table(rows: list[dict[str, Any]]) -> str:
    """What came out: one row a model and share."""
    lines = [
        "| model | cut | groups | channels | parameters | FLOPs | error, float64 | float32 "
        "| LiteRT |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        lines.append(
            f"| {row['model']} | {row['share']:.0%} | {row['groups']} | {row['channels']:,} "
            f"| {_change(row['parameters'])} | {_change(row['flops'])} | {row['float64']:.0e} "
            f"| {row['float32']:.0e} | {row['litert']:.0e} |"
        )
    return "\n".join(lines)


def stays(rows: list[dict[str, Any]]) -> str:
    """What cannot be cut in each model, and why."""
    lines = ["| model | what stays, and why |", "|---|---|"]
    for row in rows:
        if row["share"] == rows[0]["share"]:
            reasons = [
                f"{channels:,} channels of {layers} layer{'s' if layers > 1 else ''}: {reason}"
                for reason, (channels, layers) in json.loads(row["stays"]).items()
            ]
            lines.append(f"| {row['model']} | {'; '.join(reasons)} |")
    return "\n".join(lines)


def _change(pair: list[int]) -> str:
    before, after = pair
    return f"{before:,} → {after:,} (−{1 - after / before:.0%})"


def main() -> int:
    """Runs the tests and writes the tables; returns pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path)
    options, others = parser.parse_known_args()
    collector = Collector()
    code = pytest.main(["-q", "-m", "matrix", TESTS, *others], [collector])
    rows = [row for row in collector.rows if row["passed"]]
    text = f"{table(rows)}\n\n{stays(rows)}\n"
    if options.file:
        options.file.write_text(text)
    else:
        sys.stdout.write(text)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
