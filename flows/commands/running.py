"""Running a flow for a command: server, TensorFlow, terminal, exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console

from secateur.datasets.errors import DataError
from secateur.flows.commands import FAILED, OK, fail, refuse, say

if TYPE_CHECKING:
    from secateur.flows.publish import PublishConfig
    from secateur.flows.terminal import Terminal


def run_flow(
    command: str,
    console: Console,
    work: Callable[[Terminal], None],
    stored: Callable[[], bool],
    trains_here: bool = True,
) -> int:
    """Runs `work`, which calls a flow and shows its result; returns the exit code.

    Args:
        command: Its name, for messages.
        console: Where progress and errors go.
        work: Gets the terminal.
        stored: Whether every stage's result is in the store, so that no TensorFlow is needed.
        trains_here: Whether stages run in this process, and not in workers.
    """
    import httpx
    from prefect.exceptions import CancelledRun

    from secateur.flows.server import ServerError, prefect_server
    from secateur.tasks.connection import said

    try:
        with prefect_server() as wait_until_ready:
            _run(console, work, stored, trains_here, wait_until_ready)
    except CancelledRun as error:  # a person was asked, and said no
        say(console, f"secateur {command}: {error}")
        return FAILED
    except ServerError as error:
        say(console, f"secateur {command}: {error}")
        return FAILED
    except httpx.TransportError as error:
        return fail(console, command, RuntimeError(said(error)))
    except DataError as error:  # nothing was trained yet
        return refuse(console, command, error)
    except Exception as error:  # whatever a stage raised
        return fail(console, command, error)
    return OK


def check_terminal(publish: PublishConfig) -> None:
    """Refuses to ask for approval where there is nobody to ask.

    Raises:
        ValueError: One sentence.
    """
    if publish.approval and not sys.stdin.isatty():
        raise ValueError(
            "publish.approval is on, but there is no terminal to ask on; run the command on one, "
            "run it as a deployment (Prefect suspends only those), or switch approval off."
        )


def _run(console, work, stored, trains_here: bool, wait_until_ready) -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    import secateur.tasks.approval
    import secateur.tasks.progress
    from secateur.flows.terminal import Terminal, quiet_logs
    from secateur.tasks.quiet import import_tensorflow

    quiet_logs(console)
    terminal = Terminal(console)
    secateur.tasks.progress.displays.append(terminal)
    secateur.tasks.approval.askers.append(terminal.ask)
    settings: dict = {}
    if stored():
        # It takes a moment, and the end of a heartbeat alone up to a second.
        settings[PREFECT_FLOWS_HEARTBEAT_FREQUENCY] = None
    elif trains_here:
        with console.status("Starting TensorFlow"):  # and the server, in its own process
            import_tensorflow()
    with console.status("Starting Prefect"):
        wait_until_ready()
    try:
        with temporary_settings(settings):
            work(terminal)
    finally:
        secateur.tasks.progress.displays.remove(terminal)
        secateur.tasks.approval.askers.remove(terminal.ask)
