"""`secateur sweep`."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.arguments import Flags
from secateur.flows.commands import refuse
from secateur.flows.commands.running import check_terminal, run_flow
from secateur.flows.sweep_parameters import SweepParameters


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "sweep",
        help="prune in many ways, and find those that are worth their cost",
        description=SweepParameters.__doc__,
        epilog="Axes take values separated by commas: --sweep.target.ratio 0.5,0.7,0.9 "
        "--sweep.fine_tune.seed 0,1,2.",
    )
    parser.set_defaults(run=run, flags=Flags(SweepParameters, parser))


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Checks the parameters, then runs the flow."""
    try:
        parameters: SweepParameters = namespace.flags.read(namespace)
        grid = parameters.check()
        parameters.destination(grid).check_input("--config", namespace.config)
        check_terminal(parameters.publish)
    except ValueError as error:
        return refuse(console, "sweep", error)
    count = len(grid.trials)
    console.print(f"{count:,} trial{'s' if count > 1 else ''}", highlight=False)

    def work(terminal) -> None:
        from secateur.flows.sweep import sweep

        fields = {name: getattr(parameters, name) for name in SweepParameters.model_fields}
        terminal.show_sweep(sweep(**fields), parameters.output)

    def stored() -> bool:
        from secateur.flows.pipeline import find

        return all(find(trial.parameters) is not None for trial in grid.trials)

    here = parameters.runner == "process" and parameters.workers == 1
    return run_flow("sweep", console, work, stored, trains_here=here)
