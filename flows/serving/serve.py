"""All deployments from one process, with a server of its own where none is configured."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

from prefect import get_client
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_UI_URL, temporary_settings

from secateur.flows.server import Server, check_server
from secateur.flows.serving.automations import create_automations
from secateur.flows.serving.definitions import read_definitions, to_deployments
from secateur.flows.serving.server_log import ServerLog

PORT = 4200
_POLL = 2.0  # seconds


def serve(say: Callable[[str], None], port: int | None = None) -> None:
    """Serves every deployment of `prefect.yaml` until it is stopped (SIGINT or SIGTERM).

    Schedules that were switched on or off in the UI stay so.

    Args:
        say: Shows a line to the user.
        port: Port of the server that is started; by default 4200.

    Raises:
        ValueError: One sentence: the port is none, or is not needed.
        ServerError: One sentence: the port is taken, no server answers, or its log cannot be
            written.
    """
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"--port is {port}; a port is a number from 1 to 65535.")
    signal.signal(signal.SIGTERM, _interrupt)
    with _server(say, port) as (address, log):
        create_automations(replace=False)
        runner = Runner(name="secateur", query_seconds=_POLL, pause_on_shutdown=False)
        for deployment in to_deployments(read_definitions()):
            _keep_switches(deployment)
            runner.add_deployment(deployment)
            say(f"  {deployment.full_name}")
        say(f"Prefect's UI: {address}")
        if log:
            say(f"The server's log: {log.path}")
        say("Ctrl-C ends it.")
        asyncio.run(_run(runner, say, log))


@contextlib.contextmanager
def _server(say: Callable[[str], None], port: int | None) -> Iterator[tuple[str, ServerLog | None]]:
    """The address of the UI of the server that is configured, or of one for this process.

    Of the latter also the log.
    """
    configured = PREFECT_API_URL.value()
    if configured:
        if port is not None:
            raise ValueError(
                f"--port is {port}, but PREFECT_API_URL names a server, {configured}; leave out "
                "one of them."
            )
        check_server(configured)
        yield PREFECT_UI_URL.value() or configured.removesuffix("/api"), None
        return
    port = PORT if port is None else port
    log = PREFECT_HOME.value() / f"server-{port}.log"
    server = Server(port, log)
    try:
        say("Starting Prefect's server …")
        server.wait()
        with temporary_settings({PREFECT_API_URL: server.api}):
            yield server.address, ServerLog(log)
    finally:
        server.stop()


def _keep_switches(deployment: RunnerDeployment) -> None:
    """Lets the deployment and its schedules be as active as they are on the server."""
    with get_client(sync_client=True) as client:
        try:
            there = client.read_deployment_by_name(deployment.full_name)
        except ObjectNotFound:
            return
    deployment.paused = there.paused
    active = {schedule.slug: schedule.active for schedule in there.schedules}
    for schedule in deployment.schedules or []:
        schedule.active = active.get(schedule.slug, schedule.active)


async def _run(runner: Runner, say: Callable[[str], None], log: ServerLog | None) -> None:
    """Runs until a signal says to stop; what is running then is ended, and its state says so."""
    stopped = asyncio.Event()
    running = asyncio.create_task(runner.start())
    while not (runner.started or running.done()):
        await asyncio.sleep(0.05)
    for number in (signal.SIGINT, signal.SIGTERM):  # the runner has set its own by now
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    signalled = asyncio.create_task(stopped.wait())
    while not (running.done() or signalled.done()):
        for error in log.errors() if log else ():
            say(f"Prefect's server has trouble: {error}")
        await asyncio.wait({running, signalled}, timeout=_POLL, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        await runner.astop()
    await running


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
