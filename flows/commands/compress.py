"""`secateur compress`."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.arguments import Flags
from secateur.flows.commands import refuse
from secateur.flows.commands.running import run_flow
from secateur.flows.compress_parameters import CompressParameters


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "compress",
        help="remove channels, then weights, then quantize, and show what each step gained",
        description=CompressParameters.__doc__,
    )
    parser.set_defaults(run=run, flags=Flags(CompressParameters, parser))


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Checks the parameters, then runs the flow."""
    try:
        parameters: CompressParameters = namespace.flags.read(namespace)
        parameters.check()
        parameters.destination().check_input("--config", namespace.config)
    except ValueError as error:
        return refuse(console, "compress", error)

    def work(terminal) -> None:
        from secateur.flows.compress import compress

        fields = {name: getattr(parameters, name) for name in CompressParameters.model_fields}
        terminal.show_compressed(compress(**fields), parameters.channels().output)

    def stored() -> bool:
        from secateur.flows.compress import find_compressed
        from secateur.flows.pipeline import look_up

        return find_compressed(parameters, look_up)

    return run_flow("compress", console, work, stored)
