"""What stands in the place of a result, and is not of an earlier run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from secateur.output.manifest import digest

_SHOWN = 5


def refuse_names(folder: Path, ours: Mapping[str, str], names: Iterable[str]) -> None:
    """Refuses what has a result's name at the top of a folder and is the user's.

    Args:
        folder: The output folder.
        ours: The files of earlier runs, with their digests.
        names: Of the results: files, or folders of them.

    Raises:
        ValueError: One sentence with their names.
    """
    found = {}
    for name in names:
        inside = {path: sha for path, sha in ours.items() if PurePosixPath(path).parts[0] == name}
        if (folder / name).is_dir() and not (folder / name).is_symlink() and inside:
            for path, sha in inside.items():
                found[path] = _why(folder, path, sha)
        else:
            found[name] = _why(folder, name, ours.get(name))
    _refuse(folder, found)


def refuse_files(folder: Path, ours: Mapping[str, str], files: Iterable[str]) -> None:
    """Refuses what is the user's where these very files shall go; as `refuse_names`."""
    _refuse(folder, {path: _why(folder, path, ours.get(path)) for path in files})


def _why(folder: Path, path: str, expected: str | None) -> str | None:
    """What is wrong with what stands at a path; None if nothing is there, or a file of ours."""
    above = folder
    for part in PurePosixPath(path).parts[:-1]:
        above = above / part
        if above.is_symlink():
            return "link"
        if os.path.lexists(above) and not above.is_dir():
            return "foreign"
    place = folder / path
    if not os.path.lexists(place):
        return None
    mode = place.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "link"
    if not stat.S_ISREG(mode) or expected is None:
        return "foreign"
    return None if digest(place) == expected else "changed"


_SAID = {
    "link": ("is a link, which no run made", "are links, which no run made"),
    "foreign": ("is not from an earlier run", "are not from an earlier run"),
    "changed": ("was changed after a run wrote it", "were changed after a run wrote them"),
}


def _refuse(folder: Path, found: Mapping[str, str | None]) -> None:
    for why, (one, several) in _SAID.items():
        names = [name for name, reason in found.items() if reason == why]
        if names:
            shown = [repr(name) for name in names[:_SHOWN]]
            if len(names) > _SHOWN:
                shown.append(f"{len(names) - _SHOWN} more")
            listed = " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
            raise ValueError(
                f"The output folder {str(folder)!r} has {listed} where results would be written, "
                f"which {several if names[1:] else one}; move {'them' if names[1:] else 'it'} "
                "away, or give another folder."
            )
