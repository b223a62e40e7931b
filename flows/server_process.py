"""The process of a temporary Prefect server; it ends with the one that started it.

Run as `python server_process.py PORT`. Standard input is a pipe whose other end the starter holds:
when the starter is gone, even killed, it closes, and so does the server.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serves until standard input closes or the process is told to stop."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    import uvicorn

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
