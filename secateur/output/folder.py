"""Which folder may be an output folder at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

_SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin"),
    *("/sys", "/usr", "/System", "/Library", "/private/etc", "C:/Windows", "C:/Program Files"),
    "C:/Program Files (x86)",
)
"""Folders of the system: neither they nor what lies in them."""

_OPEN = ("/dev/shm", "/usr/src", "/usr/local")
"""Folders in those that are open to others: what lies in them, but not they themselves."""

_STANDARD = tuple(
    f"/usr/local/{name}"
    for name in (
        "bin",
        "etc",
        "games",
        "include",
        "lib",
        "lib64",
        "libexec",
        "man",
        "sbin",
        "share",
    )
)
"""Folders in the open ones that are the system's after all."""

_SHARED = (
    *("/", "/home", "/Users", "/media", "/mnt", "/opt", "/run", "/srv", "/tmp", "/var"),
    *("/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp"),
    *("/Applications", "/Volumes", "/private", "/private/tmp", "/private/var", "C:/", "C:/Users"),
)
"""Folders in which everybody has folders: not they themselves."""


def _told(value: Any) -> Any:
    """Refuses texts that `pathlib` takes for the current folder or a folder of another name."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError(f"{value!r} names no folder; give one, such as out")
        if "://" in value:
            raise ValueError(f"{value!r} is a URL; give a folder of this machine, such as out")
    if isinstance(value, str | os.PathLike) and "\0" in os.fspath(value):
        raise ValueError(f"{os.fspath(value)!r} has a zero byte in it; give a folder, such as out")
    return value


OutputFolder = Annotated[Path, BeforeValidator(_told)]
"""The type of a parameter `output`: an empty one is refused, and is not the current folder."""


def locate(output: Path, label: str = "output") -> Path:
    """A path from the root; `~` is the home folder.

    Args:
        output: The path, as the user gave it.
        label: The parameter that it is the value of, for messages.

    Raises:
        ValueError: One sentence: there is no such home, or no current folder.
    """
    try:
        return output.expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(
            f"{label} is {str(output)!r}, and there is no home folder {output.parts[0]!r}; give "
            "another path."
        ) from error
    except OSError as error:
        raise ValueError(
            f"{label} is {str(output)!r}, in a current folder that is gone; give a path that "
            "begins with /."
        ) from error


def check_folder(output: Path) -> Path:
    """Makes the output folder, and refuses one that must not or cannot be written.

    Returns:
        The folder, from the root and without links.

    Raises:
        ValueError: One sentence that says why.
    """
    folder = locate(output)
    real = Path(os.path.realpath(folder))
    given = f"output is {str(output)!r}"
    for each in dict.fromkeys([Path(os.path.normpath(folder)), real]):
        if why := _not_for_results(each):
            raise ValueError(
                f"{given}, which is {why}; give a folder of its own for the results, such as out."
            )
    if os.path.exists(real) and not real.is_dir():
        raise ValueError(f"{given}, which is a file; give a folder.")
    if os.path.islink(folder) and not os.path.exists(real):
        raise ValueError(f"{given}, a link to {str(real)!r}, where nothing is; give a folder.")
    try:
        real.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=real):
            pass
    except OSError as error:
        raise ValueError(
            f"{given}, which cannot be written ({error.strerror}); give another folder."
        ) from error
    return real


def _not_for_results(folder: Path) -> str | None:
    """What a folder is that no results belong in."""
    if folder == folder.parent or folder in map(Path, _SHARED):
        return "a folder of the whole machine"
    if folder in _homes(folder):
        return "a home folder"
    if not any(folder.is_relative_to(place) and folder != Path(place) for place in _OPEN):
        above = next(filter(folder.is_relative_to, _SYSTEM), None)
    else:
        above = next(filter(folder.is_relative_to, _STANDARD), None)
    return None if above is None else f"the system's ({above})"


def _homes(folder: Path) -> set[Path]:
    """The home folder of who runs this, whatever HOME says, and that of the folder's owner."""
    homes = {os.path.expanduser("~"), "/root"}
    if os.name == "posix":
        import pwd

        owners = {os.getuid()}
        if os.path.exists(folder):
            owners.add(folder.stat().st_uid)
        for owner in owners:
            try:
                homes.add(pwd.getpwuid(owner).pw_dir)
            except KeyError:  # a number without a name, as in containers
                continue
    return {Path(os.path.realpath(home)) for home in homes if home}
