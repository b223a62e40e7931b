"""`secateur evaluate`."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.arguments import Flags
from secateur.flows.commands import refuse
from secateur.flows.commands.running import run_flow
from secateur.flows.evaluate_parameters import EvaluateParameters


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "evaluate",
        help="measure any .keras, .tflite or .onnx file",
        description=EvaluateParameters.__doc__,
        usage="secateur evaluate MODEL [--dataset.name NAME …]",
    )
    parser.add_argument("file", metavar="MODEL", nargs="?", help="The same as --model.")
    parser.set_defaults(run=run, flags=Flags(EvaluateParameters, parser))


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Checks the parameters, then runs the flow."""
    try:
        if namespace.file is not None:
            namespace.model = namespace.file
        parameters: EvaluateParameters = namespace.flags.read(namespace)
        parameters.check()
    except ValueError as error:
        return refuse(console, "evaluate", error)

    def work(terminal) -> None:
        from secateur.flows.evaluate import evaluate

        found = evaluate(model=parameters.model, dataset=parameters.dataset)
        terminal.show_file(found, parameters.path)

    return run_flow("evaluate", console, work, stored=lambda: False)
