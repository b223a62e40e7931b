"""A Prefect server with a work pool, the deployments and the automations; workers of the pool."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import psutil

from secateur.flows.serving.definitions import FILE
from tests.deployments.conftest import Api, free_port, no_errors, process, until

BUSY = r"\(sqlite3\.OperationalError\) database is locked|Message failed after 4 retries"
"""On SQLite, Prefect 3.8.8's own server refuses to write at once where another wrote since the
transaction began to read. Automations get the event again, up to three times, and then lose it; a
worker connects again. (Automations of the server of `secateur serve` wait; PostgreSQL has nothing
of that.)"""

PREFECT = [sys.executable, "-m", "prefect"]
DEPLOY = [*PREFECT, "--no-prompt", "deploy", "--all", "--prefect-file", str(FILE)]


@contextlib.contextmanager
def pool(environment, folder, database=None):
    """The environment of a client of a server that has no errors in its log when it ends.

    Args:
        environment: Of somebody who is logged in.
        folder: For the log, `server.log`.
        database: Address of its data base; by default SQLite in PREFECT_HOME.
    """
    port = free_port()
    server = {**environment, "PREFECT_SERVER_API_PORT": str(port)}
    if database:
        server["PREFECT_API_DATABASE_CONNECTION_URL"] = database
    client = {**environment, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    log = folder / "server.log"
    with process([*PREFECT, "server", "start"], server, log):
        until(Api(client["PREFECT_API_URL"]).healthy)
        run([*PREFECT, "work-pool", "create", "secateur", "--type", "process"], client)
        run(DEPLOY, client)
        run([sys.executable, "-m", "secateur.flows.cli", "automations"], client)
        yield client
        no_errors(log, but=None if database else BUSY)


def run(command, environment, cwd=None):
    """Runs a command that has to go well."""
    done = subprocess.run(
        command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def worker(client, log, *arguments, cwd=None, python=sys.executable):
    """A worker of the pool; at the end of the block it is gone with all that it runs."""
    command = [python, *PREFECT[1:], "worker", "start", "--pool", "secateur", *arguments]
    with process(command, client, log, cwd=cwd) as running:
        try:
            yield running
        finally:
            kill_machine(running.pid)


def kill_machine(pid):
    """Ends a worker and what it runs as a loss of power would."""
    with contextlib.suppress(psutil.NoSuchProcess):
        worker = psutil.Process(pid)
        for lost in [worker, *worker.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                lost.kill()
