"""`secateur prune`."""

from __future__ import annotations

import argparse

from rich.console import Console

from flows.arguments import Flags
from flows.commands import OK, fail, refuse
from flows.parameters import PruneParameters


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
    except ValueError as error:
        return refuse(console, "prune", error)
    from flows.server import prefect_server

    try:
        with prefect_server() as wait_until_ready:
            return _run_flow(parameters, namespace.refresh, console, wait_until_ready)
    except Exception as error:  # whatever a stage raised
        return fail(console, "prune", error)


def _run_flow(parameters: PruneParameters, refresh: list[str], console, wait_until_ready) -> int:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    import tasks.progress
    from flows.pipeline import check_stages, find
    from flows.prune import prune
    from flows.terminal import Terminal, quiet_logs
    from tasks.quiet import import_tensorflow

    try:
        check_stages(refresh)
    except ValueError as error:
        return refuse(console, "prune", error)
    quiet_logs(console)
    terminal = Terminal(console)
    tasks.progress.displays.append(terminal)
    settings: dict = {}
    if not refresh and find(parameters):
        # It takes a moment, and the end of a heartbeat alone up to a second.
        settings[PREFECT_FLOWS_HEARTBEAT_FREQUENCY] = None
    else:
        with console.status("Starting TensorFlow"):  # and the server, in its own process
            import_tensorflow()
    with console.status("Starting Prefect"):
        wait_until_ready()
    fields = {name: getattr(parameters, name) for name in PruneParameters.model_fields}
    with temporary_settings(settings):
        report = prune(**fields, refresh=refresh)
    terminal.show(report, parameters.output)
    return OK
