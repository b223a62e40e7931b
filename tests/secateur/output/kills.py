"""Writes results again and again, and stops at each step of the file system; see test_switch.py.

    python -m tests.secateur.output.kills FOLDER HOW EVENT ...

For each step there is a child of its own that writes NEW over OLD in a fresh copy of the folder
FOLDER/start and stops at that step. HOW is kill (SIGKILL), error (the step fails) or both (an
error, and a kill while that is mended); EVENT is what counts as a step, as Python audits it. Prints
the number of steps.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from secateur.output import replace

OLD = {
    "report.json": "old report",
    "report.md": "old page",
    "model.keras": "old model",
    "model.tflite": "old file that the new result does not have",
    "tensorboard/train/events": "old events",
}
NEW = {
    "report.json": "new report",
    "report.md": "new page",
    "model.keras": "new model",
    "saved_model/variables/data": "new variables",
    "tensorboard/train/events": "new events",
}
STEPS = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "open", "shutil.copyfile")
BEYOND = 77


def writer(files: dict[str, str]) -> Callable[[Path], None]:
    """Writes files into the folder that it is given."""

    def write(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)

    return write


class _Stop:
    """Counts what is done to files in a folder, and stops before one of these steps."""

    def __init__(self, step: int, folder: Path, how: str, events: Collection[str]):
        self.seen = 0
        self._events = events
        self._step, self._folder, self._how = step, str(folder), how
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if event not in self._events or self._folder not in str(arguments[:2]):
            return
        self.seen += 1
        if self._how in ("error", "both") and self.seen == self._step:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if (self._how == "kill" and self.seen == self._step) or (
            self._how == "both" and self.seen == self._step + 3
        ):
            os.kill(os.getpid(), signal.SIGKILL)


def main(base: Path, how: str, events: Collection[str]) -> int:
    """Tries step after step until one is beyond the end."""
    step = 0
    while True:
        step += 1
        folder = base / f"{step:03d}"
        shutil.copytree(base / "start", folder)
        child = os.fork()
        if child == 0:
            stop = _Stop(step, folder, how, events)
            try:
                replace(folder, "prune", writer(NEW), last="report.json")
            except BaseException:
                os._exit(1)
            os._exit(BEYOND if stop.seen < step else 0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == BEYOND:
            return step


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
