"""The command `secateur`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console

from flows.commands import (
    INTERRUPTED,
    automations,
    cache,
    compress,
    evaluate,
    inspect,
    prune,
    serve,
    sweep,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command, and returns the exit code.

    0: done; 1: the run failed; 2: a parameter is wrong; 130: stopped by Ctrl-C.
    """
    _set_environment()
    console = Console(file=_standard_error())
    parser = argparse.ArgumentParser(
        prog="secateur", description="Prunes Keras 3 models, and shows the evidence."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    prune.add(commands)
    sweep.add(commands)
    compress.add(commands)
    evaluate.add(commands)
    inspect.add(commands)
    cache.add(commands)
    serve.add(commands)
    automations.add(commands)
    namespace = parser.parse_args(argv)
    try:
        return namespace.run(namespace, console)
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on from here.")
        return INTERRUPTED


def _standard_error() -> TextIO:
    """Standard error by a descriptor of its own, for what the command has to say.

    Descriptor 2 leads nowhere while TensorFlow is imported (`tasks.quiet`).
    """
    try:
        if sys.stderr.fileno() != 2:
            return sys.stderr
    except (AttributeError, OSError):  # there is none, or it is not a file
        return sys.stderr
    return os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="replace", buffering=1)


def _set_environment() -> None:
    """Keeps the terminal quiet, and the run to itself.

    Prefect and TensorFlow read this when they are imported.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


if __name__ == "__main__":
    sys.exit(main())
