"""How far a training or a sweep is, for whoever watches: the terminal, and the Prefect UI."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext, TaskRunContext

from secateur.report.record import StageRecord
from secateur.tasks.connection import shown_only

_SECONDS_BETWEEN_UPDATES = 2.0

Progress = Callable[[float, dict[str, float]], None]


class Display(Protocol):
    """A place that shows what goes on, such as a terminal.

    Epochs of a training lie between `begin` and `end`; trials of a sweep, with their trainings,
    between `begin_count` and `end_count`.
    """

    def begin(self, stage: str, epochs: int) -> None: ...

    def advance(self, epoch: float, metrics: dict[str, float]) -> None: ...

    def end(self) -> None: ...

    def finished(self, record: StageRecord) -> None: ...

    def begin_count(self, what: str, total: int) -> None: ...

    def count(self, name: str, error: str | None) -> None: ...

    def end_count(self) -> None: ...


displays: list[Display] = []
"""Who is told in this process; the command line adds its terminal."""


@contextlib.contextmanager
def epochs_shown(stage: str, epochs: int, unit: str = "epoch") -> Iterator[Progress]:
    """Gives a function to call with the epochs done and the metrics, while a training runs.

    What goes on in other steps than epochs says by `unit` what they are.
    """
    for display in displays:
        display.begin(stage, epochs)
    in_ui = _InUi(stage, epochs)

    def progress(epoch: float, metrics: dict[str, float]) -> None:
        for display in displays:
            display.advance(epoch, metrics)
        shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        in_ui.advance(epoch, f"{unit} {epoch:.1f} of {epochs}{': ' if shown else ''}{shown}")

    try:
        yield progress
    finally:
        for display in displays:
            display.end()


@contextlib.contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[str, str | None], None]]:
    """Gives a function to call with the name of each thing that is done, and its error or None."""
    for display in displays:
        display.begin_count(what, total)
    in_ui = _InUi("sweep" if what == "trials" else what, total)
    done = failed = 0

    def count(name: str, error: str | None) -> None:
        nonlocal done, failed
        done += 1
        failed += error is not None
        for display in displays:
            display.count(name, error)
        in_ui.advance(done, f"{done} of {max(done, total)} {what}, {failed} failed")

    try:
        yield count
    finally:
        for display in displays:
            display.end_count()


class _InUi:
    """A progress artifact of the run. The first one comes after some seconds: what is over by
    then needs none, and each update is a request to the server."""

    def __init__(self, key: str, total: int):
        self._key, self._total = key.replace("_", "-"), total
        self._artifact: Any = None
        self._last = time.monotonic()
        self._active = bool(TaskRunContext.get() or FlowRunContext.get())

    def advance(self, done: float, text: str) -> None:
        over = done >= self._total
        waited = time.monotonic() - self._last
        if not self._active or (
            waited < _SECONDS_BETWEEN_UPDATES and not (over and self._artifact)
        ):
            return
        self._last = time.monotonic()
        percent = min(100.0, 100 * done / self._total)
        self._active = False  # a server that does not answer is not asked again
        with shown_only():
            if self._artifact is None:
                self._artifact = create_progress_artifact(percent, key=self._key, description=text)
            else:
                update_progress_artifact(self._artifact, percent, description=text)
            self._active = True
