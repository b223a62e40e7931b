"""`secateur search`."""

from __future__ import annotations

import argparse

from rich.console import Console

from secateur.flows.arguments import Flags
from secateur.flows.commands import refuse
from secateur.flows.commands.running import check_terminal, run_flow
from secateur.flows.search_parameters import SearchParameters


def add(commands) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "search",
        help="find the smallest, cheapest or fastest model within a budget",
        description=SearchParameters.__doc__,
        epilog="Such as --budget.accuracy_drop 0.005 --objective flops --target.pattern channel, "
        "or --budget.bytes 50KB.",
    )
    parser.set_defaults(run=run, flags=Flags(SearchParameters, parser))


def run(namespace: argparse.Namespace, console: Console) -> int:
    """Checks the parameters, then runs the flow."""
    try:
        parameters: SearchParameters = namespace.flags.read(namespace)
        parameters.check()
        parameters.destination().check_input("--config", namespace.config)
        check_terminal(parameters.publish)
    except ValueError as error:
        return refuse(console, "search", error)

    def work(terminal) -> None:
        from secateur.flows.search import search

        fields = {name: getattr(parameters, name) for name in SearchParameters.model_fields}
        terminal.show_search(search(**fields), parameters.output)

    return run_flow("search", console, work, stored=lambda: False)
