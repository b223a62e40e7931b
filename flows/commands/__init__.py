"""The commands of the command line, one a file: `add(commands)` names its flags and its `run`."""

from __future__ import annotations

from rich.console import Console

OK, FAILED, BAD_PARAMETERS, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""


def refuse(console: Console, command: str, error: BaseException) -> int:
    """Says what is wrong with the parameters."""
    for line in str(error).splitlines():
        say(console, f"secateur {command}: {line}")
    return BAD_PARAMETERS


def fail(console: Console, command: str, error: BaseException) -> int:
    """Says why a run failed, in one sentence; the Prefect UI has the traceback."""
    lines = str(error).strip().splitlines()
    why = lines[0] if lines else type(error).__name__
    say(console, f"secateur {command}: the run failed: {why}")
    return FAILED


def say(console: Console, message: str) -> None:
    """Prints an error as one line."""
    console.print(message, style="red", highlight=False, markup=False, soft_wrap=True)
