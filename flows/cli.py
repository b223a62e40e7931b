"""The command `secateur`."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, TextIO

from rich.console import Console

from secateur.flows.commands import (
    BAD_PARAMETERS,
    INTERRUPTED,
    automations,
    cache,
    compress,
    deploy,
    evaluate,
    inspect,
    profile,
    prune,
    say,
    search,
    sensitivity,
    serve,
    sweep,
    transfer,
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
    search.add(commands)
    sensitivity.add(commands)
    profile.add(commands)
    compress.add(commands)
    evaluate.add(commands)
    transfer.add(commands)
    inspect.add(commands)
    cache.add(commands)
    serve.add(commands)
    deploy.add(commands)
    automations.add(commands)
    namespace, unknown = parser.parse_known_args(argv)
    if unknown:
        return _refuse_unknown(unknown, commands.choices[namespace.command], console)
    try:
        return namespace.run(namespace, console)
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on from here.")
        return INTERRUPTED


def _refuse_unknown(unknown: list[str], parser: argparse.ArgumentParser, console: Console) -> int:
    """Says which word is none of the command's, and which it may have been meant to be."""
    word = unknown[0].partition("=")[0]
    known = [flag for action in parser._actions for flag in action.option_strings]
    near = difflib.get_close_matches(word, known, n=1) if word.startswith("-") else []
    hint = f" Did you mean {near[0]}?" if near else f" See {parser.prog} --help."
    say(console, f"{parser.prog}: {word} is no parameter.{hint}")
    return BAD_PARAMETERS


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """The command as a process."""
    code = main(argv)
    if code == INTERRUPTED:
        # Threads of a library, such as one that downloads, would be waited for.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _standard_error() -> TextIO:
    """Standard error by a descriptor of its own, for what the command has to say.

    Descriptor 2 leads nowhere while TensorFlow is imported (`secateur.tasks.quiet`).
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
    run()
