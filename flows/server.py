"""A Prefect server for the time of one command, where none is configured."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_TIMEOUT = 120  # seconds; the first start makes the data base
_STARTS = 4
_HOST = "127.0.0.1"
_PROCESS = Path(__file__).with_name("server_process.py")


class ServerError(RuntimeError):
    """The server did not start; one sentence."""


@contextlib.contextmanager
def prefect_server() -> Iterator[Callable[[], None]]:
    """Sees to it that flows find a server: the one that is configured, or a temporary one.

    Prefect would start a temporary server itself, at the first flow, and import the server's code
    into this process to do so. This starts the same command in a process of its own, and at once,
    so that it comes up beside the import of TensorFlow. What runs is recorded in the user's
    Prefect data base and shows in the UI of a later `prefect server start`.

    In the `with` block, call `wait_until_ready` before the first flow: it is what is yielded.
    """
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    if api := PREFECT_API_URL.value():
        _check_configured(api)
        yield lambda: None
        return
    server = Server()
    try:
        # Nothing watches for heartbeats on a server that ends with the run.
        settings = {PREFECT_API_URL: server.api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
        with temporary_settings(settings):
            try:
                yield server.wait
            finally:
                _send_what_is_left()
    finally:
        server.stop()


def named_server() -> str:
    """The address of the server that PREFECT_API_URL names, for a command that needs one.

    Raises:
        ValueError: One sentence: it names none.
        ServerError: One sentence: nobody answers there.
    """
    from prefect.settings import PREFECT_API_URL

    api = PREFECT_API_URL.value()
    if not api:
        raise ValueError(
            "PREFECT_API_URL is not set; set it to the address of your server, such as "
            "http://127.0.0.1:4200/api."
        )
    check_server(api)
    return api


def check_server(api: str) -> None:
    """Asks the server at `api` whether it is well.

    Raises:
        ServerError: One sentence: nobody answers there.
    """
    try:
        urllib.request.urlopen(f"{api}/health", timeout=10).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ServerError(
            f"PREFECT_API_URL is {api}, where no Prefect server answers ({reason}); start one "
            "there, or unset it."
        ) from error


def _check_configured(api: str) -> None:
    """The same by Prefect's client, which knows its proxies, certificates and keys."""
    from prefect import get_client

    from secateur.tasks.connection import lost

    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None and lost(error):
        raise ServerError(
            f"PREFECT_API_URL is {api}, where no Prefect server answers ({error}); start one "
            "there, or unset it."
        ) from error


def _send_what_is_left() -> None:
    """Logs and events go to the server by threads of their own: let them finish."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=5)


class Server:
    """The process of a server of this command's own; it is starting when this object is made.

    Args:
        port: Its port on the loopback address; by default a free one.
        log: Makes it a full one, with the UI, the scheduler, automations and whatever else a
            server does that stays; the file receives what it has to say. None: a server for runs
            alone, whose words nobody reads unless it does not start.

    Raises:
        ServerError: The port is taken, or the log cannot be written.
    """

    def __init__(self, port: int = 0, log: Path | None = None) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError as error:
                raise ServerError(
                    f"Port {port} of {_HOST} cannot be used: {error.strerror}."
                ) from error
            self.port = probe.getsockname()[1]
        self.address = f"http://{_HOST}:{self.port}"
        self.api = f"{self.address}/api"
        self._full = log is not None
        self._log = _open(log)
        self._process = self._start()

    def wait(self) -> None:
        """Returns when the server answers.

        It is started again if it stops: of two that make the same new data base, one fails.
        """
        starts = 1
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                if starts == _STARTS:
                    raise ServerError(
                        f"The Prefect server stopped ({self._last_words()}); start one "
                        "with `prefect server start` and set PREFECT_API_URL."
                    )
                starts += 1
                time.sleep(1)
                self._process = self._start()
            if self._answers():
                return
            time.sleep(0.05)
        raise ServerError(
            f"The Prefect server did not answer within {_TIMEOUT} seconds; start one "
            "with `prefect server start` and set PREFECT_API_URL."
        )

    def stop(self) -> None:
        """Ends the process, whatever state it is in."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _start(self) -> subprocess.Popen:
        from prefect.settings import get_current_settings

        environment = {
            **os.environ,
            **get_current_settings().to_environment_variables(exclude_unset=True),
            **self._role(),
            "PREFECT__SERVER_FINAL": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        }
        return subprocess.Popen(
            # -P: what lies beside the script, or in the current folder, shadows no library.
            [sys.executable, "-P", str(_PROCESS), str(self.port)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C reaches the flow alone, which has to tell its end
        )

    def _role(self) -> dict[str, str]:
        if not self._full:
            return {"PREFECT_SERVER_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}
        # The UI asks where these say, not where it came from.
        address = {"PREFECT_SERVER_API_HOST": _HOST, "PREFECT_SERVER_API_PORT": str(self.port)}
        # A command keeps its own terminal quiet; in the log is what goes wrong.
        words = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "NOTSET"}
        return {**address, **words, "PREFECT_SERVER_UI_ENABLED": "1"}

    def _answers(self) -> bool:
        try:
            return urllib.request.urlopen(f"{self.api}/health", timeout=5).status == 200
        except OSError:
            return False

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"


def _open(log: Path | None) -> BinaryIO:
    if log is None:
        return tempfile.TemporaryFile()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = log.open("a+b")  # what others add to the file stays
        file.truncate(0)
        return file
    except OSError as error:
        raise ServerError(
            f"The log of Prefect's server cannot be written to {log}: {error.strerror}."
        ) from error
