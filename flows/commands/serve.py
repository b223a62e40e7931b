"""`secateur serve`: the deployments, their schedules and the UI from one process."""

from __future__ import annotations

import argparse
import contextlib
import logging

from rich.console import Console
from rich.logging import RichHandler

from secateur.flows.commands import FAILED, OK, refuse, say


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "serve",
        help="serve all deployments from this machine, with schedules and the UI",
        description="Serves the deployments of deployments/prefect.yaml. It uses the Prefect "
        "server that PREFECT_API_URL names, or else starts one with its UI. Schedules are off "
        "until they are switched on in the UI, and stay as they were switched.",
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="PORT",
        help="port of the server that is started (default: 4200)",
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Serves until Ctrl-C."""
    from secateur.flows.server import ServerError
    from secateur.flows.serving.serve import serve

    # What runs is in the UI; that it cannot be run is worth a line here.
    trouble = RichHandler(logging.ERROR, console=console, show_path=False)
    logging.getLogger("prefect.runner").addHandler(trouble)

    def show(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    try:
        with contextlib.suppress(KeyboardInterrupt):
            serve(show, namespace.port)
    except ValueError as error:
        return refuse(console, "serve", error)
    except ServerError as error:
        say(console, f"secateur serve: {error}")
        return FAILED
    show("Stopped.")
    return OK
