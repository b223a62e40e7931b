"""`secateur profile`."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.commands import refuse
from secateur.flows.commands.running import run_flow
from secateur.flows.search_parameters import check_runtime


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "profile",
        help="measure how long operations take on this machine",
        description="Measures how long single operations take in LiteRT on this machine, once; "
        "searches by latency predict with it, and measure what they choose.",
    )
    parser.add_argument(
        "--refresh", action="store_true", help="Measure again though the table is in the store."
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Measures, or reads the table, and prints it."""
    try:
        check_runtime()
    except ValueError as error:
        return refuse(console, "profile", error)

    def work(terminal) -> None:
        from secateur.flows.profile import profile

        terminal.show_profile(profile(refresh=namespace.refresh))

    def stored() -> bool:
        from secateur.tasks.profile import profile

        return not namespace.refresh and profile.find() is not None

    return run_flow("profile", console, work, stored)
