"""Where the results of a run go, and whether they may."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from secateur.output.folder import check_folder, locate
from secateur.output.inputs import Input, check_inputs, store_input
from secateur.output.lock import held
from secateur.output.strangers import refuse_names
from secateur.output.switch import settled


@dataclass(frozen=True)
class Destination:
    """The output folder of a run.

    Attributes:
        folder: The folder, as the user gave it.
        names: The files and folders at its top that the run writes, or may write.
        inputs: What the run reads: names of parameters, and the files or folders that they name.
    """

    folder: Path
    names: tuple[str, ...]
    inputs: tuple[Input, ...] = field(default=())

    def check(self) -> None:
        """Refuses a folder in which something of the user's would be lost, or that is unfit.

        Raises:
            ValueError: One sentence: it is no folder for results, or another run writes into it;
                something of the user's has a result's name; an input lies where a result goes.
        """
        with self.claim():
            pass

    def check_input(self, label: str, given: str | None) -> None:
        """Refuses one more input, if there is one, that lies where a result goes.

        Raises:
            ValueError: One sentence.
        """
        if given is not None:
            check_inputs(Path(os.path.realpath(locate(self.folder))), self.names, [(label, given)])

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Makes and checks the folder, and keeps other runs out of it.

        What it made and nothing was written into is gone afterwards.

        Raises:
            ValueError: As `check`.
        """
        real = Path(os.path.realpath(locate(self.folder)))
        made = [place for place in (real, *real.parents) if not os.path.exists(place)]
        try:
            folder = check_folder(self.folder)
            check_inputs(folder, self.names, [*self.inputs, *store_input()])
            with held(folder):
                _check_names(folder, self.names)
                yield
        finally:
            with contextlib.suppress(OSError):  # the first that holds something ends it
                for place in made:
                    place.rmdir()


def check_file(path: Path) -> None:
    """Refuses a single file, whatever its folder, that would take the place of one of the user's.

    Args:
        path: The file, from the root.

    Raises:
        ValueError: One sentence.
    """
    folder = Path(os.path.realpath(path.parent))
    if not folder.is_dir():
        raise ValueError(f"{str(path)!r} cannot be written: there is no folder {str(folder)!r}.")
    with held(folder):
        _check_names(folder, [path.name])


def _check_names(folder: Path, names: Iterable[str]) -> None:
    try:
        refuse_names(folder, settled(folder).files, names)
    except OSError as error:
        raise ValueError(
            f"output is {str(folder)!r}, in which {error.filename or 'a file'!r} cannot be read or "
            f"written ({error.strerror}); give another folder."
        ) from error
