"""`secateur transfer`."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.arguments import Flags
from secateur.flows.commands import refuse
from secateur.flows.commands.running import check_terminal, run_flow
from secateur.flows.transfer_parameters import TransferParameters


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "transfer",
        help="move a pruned model to another data set",
        description=TransferParameters.__doc__,
    )
    parser.set_defaults(run=run, flags=Flags(TransferParameters, parser))


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Checks the parameters, then runs the flow."""
    try:
        parameters = namespace.flags.read(namespace).resolved()
        parameters.check()
        parameters.destination().check_input("--config", namespace.config)
        check_terminal(parameters.publish)
    except ValueError as error:
        return refuse(console, "transfer", error)

    def work(terminal) -> None:
        from secateur.flows.transfer import transfer

        fields = {name: getattr(parameters, name) for name in TransferParameters.model_fields}
        terminal.show_transfer(transfer(**fields), parameters.output)

    def stored() -> bool:
        from secateur.flows.transfer import find

        return find(parameters) is not None

    return run_flow("transfer", console, work, stored)
