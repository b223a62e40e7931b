"""Puts a table that a benchmark measured into the README or a page, between two markers."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def replace_section(name: str, text: str, path: Path = README) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`.

    Raises:
        ValueError: If the file does not have both markers, once each.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    content = path.read_text()
    if content.count(begin) != 1 or content.count(end) != 1:
        raise ValueError(f"{path.name} needs the markers {begin} and {end}, once each.")
    head, rest = content.split(begin)
    _, tail = rest.split(end)
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
