"""The process of a temporary Prefect server; it ends with the one that started it.

Run as `python server_process.py PORT`. Standard input is a pipe whose other end the starter holds:
when the starter is gone, even killed, it closes, and so does the server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _let_automations_wait() -> None:
    """Lets automations wait for their turn where another writes to the data base (SQLite).

    Prefect 3.8.8 reads first and then writes in one transaction, which SQLite refuses at once if
    somebody has written in between ("database is locked"). After a few such refusals an event is
    dropped: a run that has ended would count as lost, say. A transaction that is to write from its
    beginning waits.
    """
    from prefect.server.database import provide_database_interface
    from prefect.server.events import triggers

    @contextlib.asynccontextmanager
    async def session(begin_transaction: bool = False) -> AsyncIterator[Any]:
        context = provide_database_interface().session_context(
            begin_transaction=begin_transaction, with_for_update=begin_transaction
        )
        async with context as opened:
            yield opened

    triggers.automations_session = session


def main() -> None:
    """Serves until standard input closes or the process is told to stop."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    import uvicorn

    _let_automations_wait()
    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        lifespan="on",
    )


if __name__ == "__main__":
    main()
