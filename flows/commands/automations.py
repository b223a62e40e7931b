"""`secateur automations`: what the Prefect server does by itself."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.commands import FAILED, OK, refuse, say


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "automations",
        help="create the automations on the Prefect server: lost runs, poor models",
        description="Creates the automations on the server that PREFECT_API_URL names, or makes "
        "them anew: runs that send no heartbeat for three times "
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY are marked as crashed, and of an accuracy below "
        "publish.accuracy_bar somebody is told.",
    )
    parser.add_argument(
        "--notify",
        metavar="TYPE/NAME",
        help="the notification block that is used, such as slack-webhook/team; without it the "
        "server notes the event and tells nobody",
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Creates them on the server."""
    from secateur.flows.server import ServerError, named_server
    from secateur.flows.serving.automations import create_automations

    try:
        named_server()
        for name in create_automations(namespace.notify):
            console.print(name, highlight=False, markup=False)
    except ValueError as error:
        return refuse(console, "automations", error)
    except ServerError as error:
        say(console, f"secateur automations: {error}")
        return FAILED
    return OK
