"""The flow `profile`: how long operations take on this machine, for searches by latency."""

from __future__ import annotations

from prefect import flow
from prefect.artifacts import create_table_artifact

from secateur.searching.latency_table import LatencyTable
from secateur.tasks.connection import shown_only
from secateur.tasks.pinned import pinned
from secateur.tasks.profile import profile as profile_stage
from secateur.tasks.stage import read


@flow(name="profile")
def profile(refresh: bool = False) -> LatencyTable:
    """Measures how long single operations take in LiteRT, once per machine.

    Args:
        refresh: Measure again though the table is in the store.

    Returns:
        The table.
    """
    with pinned():
        found = profile_stage(refresh=refresh)
        text = (read(found).directory / "table.json").read_text()
    table = LatencyTable.model_validate_json(text)
    with shown_only():
        create_table_artifact(
            [
                {"kind": kind, "FLOPs": flops, "ms": ms}
                for kind, points in table.kinds.items()
                for flops, ms in points
            ],
            key="profile",
            description="Milliseconds of single operations",
        )
    return table


if __name__ == "__main__":
    import sys

    from secateur.flows.cli import main

    sys.exit(main(["profile", *sys.argv[1:]]))
