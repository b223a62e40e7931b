"""`secateur sensitivity`."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.arguments import Flags
from secateur.flows.commands import refuse
from secateur.flows.commands.running import run_flow
from secateur.flows.search_parameters import SensitivityParameters


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "sensitivity",
        help="show what pruning each layer alone does to the accuracy",
        description=SensitivityParameters.__doc__,
    )
    parser.set_defaults(run=run, flags=Flags(SensitivityParameters, parser))


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Checks the parameters, then runs the flow."""
    try:
        parameters: SensitivityParameters = namespace.flags.read(namespace)
        runs = parameters.check()
        parameters.destination().check_input("--config", namespace.config)
    except ValueError as error:
        return refuse(console, "sensitivity", error)

    def work(terminal) -> None:
        from secateur.flows.sensitivity import sensitivity

        names = SensitivityParameters.model_fields
        fields = {name: getattr(parameters, name) for name in names}
        terminal.show_sensitivity(sensitivity(**fields), parameters.output)

    def stored() -> bool:
        from secateur.flows.pipeline import find_through
        from secateur.flows.search_wiring import wire_sensitivity

        def through(p, run):
            return wire_sensitivity(p, parameters.sensitivity, run)

        return all(find_through(through, each) is not None for each in runs)

    return run_flow("sensitivity", console, work, stored)
