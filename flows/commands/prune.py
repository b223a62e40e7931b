"""`secateur prune`."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.arguments import Flags
from secateur.flows.commands import refuse
from secateur.flows.commands.running import check_terminal, run_flow
from secateur.flows.parameters import PruneParameters


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "prune", help="prune one model", description=PruneParameters.__doc__
    )
    parser.add_argument(
        "--refresh",
        action="append",
        default=[],
        metavar="STAGE",
        help="Run this stage again though its result is in the store; can be given repeatedly.",
    )
    parser.set_defaults(run=run, flags=Flags(PruneParameters, parser))


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Checks the parameters, then runs the flow."""
    try:
        parameters = namespace.flags.read(namespace).resolved()
        parameters.check()
        parameters.destination().check_input("--config", namespace.config)
        check_terminal(parameters.publish)
    except ValueError as error:
        return refuse(console, "prune", error)
    from secateur.flows.pipeline import check_stages, find_through, wire_explained

    try:
        check_stages(namespace.refresh)
    except ValueError as error:
        return refuse(console, "prune", error)

    def work(terminal) -> None:
        from secateur.flows.prune import prune

        fields = {name: getattr(parameters, name) for name in PruneParameters.model_fields}
        terminal.show(prune(**fields, refresh=namespace.refresh), parameters.output)

    def stored() -> bool:
        return not namespace.refresh and find_through(wire_explained, parameters) is not None

    return run_flow("prune", console, work, stored)
