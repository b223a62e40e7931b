"""A PostgreSQL server of a test's own, where the machine has the programs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.deployments.conftest import free_port, until

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
HAS_POSTGRESQL = bool(PROGRAMS or shutil.which("initdb"))


@contextlib.contextmanager
def postgresql():
    """The address of a PostgreSQL server with an empty data base; it refuses to run as root."""
    search = f"{PROGRAMS}:{os.environ['PATH']}"
    user = "nobody" if os.geteuid() == 0 else None
    folder = tempfile.mkdtemp(prefix="postgres-")
    if user:
        shutil.chown(folder, user)
    port = free_port()
    more = {"user": user, "cwd": folder, "env": {**os.environ, "PATH": search}}

    def run(name, *arguments):
        program = shutil.which(name, path=search)
        subprocess.run([program, *arguments], check=True, capture_output=True, **more)

    run("initdb", "-D", f"{folder}/data", "-U", "prefect", "--auth=trust", "--encoding=UTF8")
    program = shutil.which("postgres", path=search)
    arguments = ["-D", f"{folder}/data", "-h", "127.0.0.1", "-p", str(port), "-k", folder]
    with open(f"{folder}/log", "wb") as log:
        server = subprocess.Popen([program, *arguments], stdout=log, stderr=log, **more)
    try:
        address = ["-h", "127.0.0.1", "-p", str(port), "-U", "prefect"]
        ready = [shutil.which("pg_isready", path=search), *address]
        until(lambda: subprocess.run(ready, capture_output=True).returncode == 0, 60)
        run("createdb", *address, "prefect")
        yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)
