"""`secateur deploy`: the deployments to a work pool of the Prefect server."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.commands import FAILED, OK, refuse, say


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "deploy",
        help="deploy all deployments to the work pool, anew after an upgrade",
        description="Deploys deployments/prefect.yaml to the server that PREFECT_API_URL names, "
        "as `prefect deploy --all` does, but for this: schedules that were switched on in the UI "
        "stay on, and deployments that were paused stay paused.",
    )
    parser.set_defaults(run=run)


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Deploys them."""
    from secateur.flows.server import ServerError, named_server
    from secateur.flows.serving.deploy import deploy

    try:
        named_server()
        for name in deploy():
            console.print(name, highlight=False, markup=False)
    except ValueError as error:
        return refuse(console, "deploy", error)
    except (ServerError, RuntimeError) as error:
        say(console, f"secateur deploy: {error}")
        return FAILED
    return OK
