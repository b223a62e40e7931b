"""A Prefect server for the time of one command, where none is running."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

_TIMEOUT = 120  # seconds; the first start makes the data base


class ServerError(RuntimeError):
    """The temporary server did not start; one sentence."""


@contextlib.contextmanager
def prefect_server() -> Iterator[Callable[[], None]]:
    """Sees to it that flows find a server: the one that is configured, or a temporary one.

    Prefect would start a temporary server itself, at the first flow, and import the server's code
    into this process to do so. This starts the same command in a process of its own, and at once,
    so that it comes up beside the import of TensorFlow. What runs is recorded in the user's
    Prefect data base and shows in the UI of a later `prefect server start`.

    In the `with` block, call `wait_until_ready` before the first flow: it is what is yielded.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield lambda: None
        return
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        process = _start(port, log)
        try:
            with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
                yield lambda: _wait(process, port, log)
        finally:
            _send_what_is_left()
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _send_what_is_left() -> None:
    """Logs and events go to the server by threads of their own: let them finish."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(port: int, log) -> subprocess.Popen:
    from prefect.settings import get_current_settings

    environment = {
        **os.environ,
        **get_current_settings().to_environment_variables(exclude_unset=True),
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    # In a folder of its own: `python -m` would import a user's `prefect.py` of the current one.
    return subprocess.Popen(
        [*command, *options, "--lifespan", "on"],
        env=environment,
        cwd=tempfile.gettempdir(),
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C reaches the flow alone, which still has to tell its end
    )


def _wait(process: subprocess.Popen, port: int, log) -> None:
    """Returns when the server answers."""
    url = f"http://127.0.0.1:{port}/api/health"
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            why = lines[-1] if lines else f"exit code {process.returncode}"
            raise ServerError(
                f"The temporary Prefect server stopped ({why}); start one with "
                "`prefect server start` and set PREFECT_API_URL."
            )
        with contextlib.suppress(urllib.error.URLError, OSError):
            if urllib.request.urlopen(url, timeout=5).status == 200:
                return
        time.sleep(0.05)
    raise ServerError(
        f"The temporary Prefect server did not answer within {_TIMEOUT} seconds; start one with "
        "`prefect server start` and set PREFECT_API_URL."
    )
