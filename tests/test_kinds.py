"""Each cell of the table "kind of model × kind of data × pattern" in benchmarks/kinds.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kinds import KINDS, PATTERNS, run

PAGE = Path(__file__).resolve().parents[1] / "benchmarks" / "kinds.md"


def _table():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {
        ((row[0].strip("`"), row[1]), pattern): cell
        for row in cells
        for pattern, cell in zip(PATTERNS, row[2:], strict=True)
    }


def test_the_table_has_every_cell():
    assert _table().keys() == {(kind, pattern) for kind in KINDS for pattern in PATTERNS}


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("kind", KINDS, ids=" on ".join)
def test_a_cell(kind, pattern):
    told = _table()[kind, pattern]
    if told == "–":
        with pytest.raises(ValueError, match=r"\S"):
            run(kind, pattern)
    else:
        assert run(kind, pattern) == told
