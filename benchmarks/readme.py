"""Puts a table that a benchmark measured into the README, between its two markers."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def replace_section(name: str, text: str) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`.

    Raises:
        ValueError: If the README does not have both markers, once each.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    content = README.read_text()
    if content.count(begin) != 1 or content.count(end) != 1:
        raise ValueError(f"README.md needs the markers {begin} and {end}, once each.")
    head, rest = content.split(begin)
    _, tail = rest.split(end)
    README.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
