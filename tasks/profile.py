"""The stage `profile`: how long single operations take in LiteRT on this machine."""

from __future__ import annotations

from typing import Any

from secateur.evaluation.machine import machine
from secateur.store import digest_of
from secateur.tasks.stage import Build, Product, stage


def _outside(**_: Any) -> Any:
    return machine()


@stage(outside=_outside)
def profile(build: Build) -> Product:
    """Measures the table once per machine; searches by latency read it."""
    from secateur.searching.profiling import measure_table

    table = measure_table()
    (build.directory / "table.json").write_text(table.model_dump_json(indent=2))
    return Product(digest_of(table), {})
