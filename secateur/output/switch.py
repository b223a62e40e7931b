"""Results are written beside, and then take their places: all of them or none.

A run writes into a workspace, a hidden folder of the output folder. When all is there, the manifest
is replaced by one that also says what is on its way (`Writing`), the files are moved one by one,
and at last the manifest says that they are there. An error before that moves everything back;
after a kill the next run in the folder moves what is left. Between the two every name holds a file
of the old result or of the new one, the digests in the manifest say of which, and the report that
vouches for the others is not there.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from secateur.output.folder import locate
from secateur.output.legacy import recognised
from secateur.output.lock import held
from secateur.output.manifest import (
    NAME,
    Manifest,
    Writing,
    digest,
    read_manifest,
    save_manifest,
)
from secateur.output.strangers import refuse_files, refuse_names
from secateur.store.manifest import sync, take_in

_WORKSPACE = re.compile(r"\.secateur-[0-9a-f]{16}")
_NEW, _OLD, _BEFORE = "new", "old", "before.json"


class OutputError(OSError):
    """The output folder cannot be written; one sentence, and the `errno` of what went wrong."""

    def __str__(self) -> str:
        return self.strerror or ""


def replace(folder: Path, command: str, write: Callable[[Path], None], last: str) -> None:
    """Writes the results of a command into a folder, all or none.

    What the last run of the same command left is replaced, and what it left beyond that goes.

    Args:
        folder: The output folder; `~` is the home folder. It is made if it is not there.
        command: Whose results they are, such as `prune`.
        write: Writes all of them into the folder that it is given.
        last: The file that vouches for the others.

    Raises:
        OutputError: The folder cannot be written, or its disk is full.
        ValueError: One sentence: what stands in the place of a result is not of an earlier run, or
            another run is writing into the folder.
    """
    given = locate(folder)
    try:
        given.mkdir(parents=True, exist_ok=True)
        real = Path(os.path.realpath(given))
        with held(real):
            _replace(real, command, write, last)
    except OSError as error:
        raise OutputError(
            error.errno,
            f"The results cannot be written to {str(given)!r} ({error.strerror or error}); make "
            "room or give another output folder, and run the same command again: what was "
            "computed is kept.",
        ) from error


def settled(folder: Path) -> Manifest:
    """What is ours in a folder, after what a killed run left undone is done.

    Args:
        folder: An output folder, without links, that this run holds.

    Raises:
        ValueError: One sentence: the manifest cannot be read, or what a killed run was about to
            replace was changed since.
    """
    found = read_manifest(folder)
    manifest = recognised(folder) if found is None else found
    writing = manifest.writing
    if writing is not None:
        old = manifest.model_copy(update={"writing": None})
        manifest = _take_up(folder, old, writing)
    for place in folder.iterdir():
        if _WORKSPACE.fullmatch(place.name) and place.is_dir() and not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
    return manifest


def _replace(folder: Path, command: str, write: Callable[[Path], None], last: str) -> None:
    manifest = settled(folder)
    workspace = folder / f".secateur-{secrets.token_hex(8)}"
    workspace.mkdir(mode=0o700)
    try:
        for name in (_NEW, _OLD):
            (workspace / name).mkdir()
        write(workspace / _NEW)
        files = {path: sha for path, (_, sha) in take_in(workspace / _NEW, sync).items()}
        refuse_names(folder, manifest.files, {path.partition("/")[0] for path in files})
        refuse_files(folder, manifest.files, files)
        replaced = {
            path: sha
            for path, sha in manifest.files.items()
            if (path in files or path in manifest.runs.get(command, {}))
            and digest(folder / path) == sha
        }
        writing = Writing(
            command=command, workspace=workspace.name, files=files, replaced=replaced, last=last
        )
        if (folder / NAME).exists():  # on a full disk it can still be moved back
            shutil.copyfile(folder / NAME, workspace / _BEFORE)
        try:
            save_manifest(folder, manifest.model_copy(update={"writing": writing}), workspace)
            _forward(folder, writing)
            save_manifest(folder, manifest.after(command, files), workspace)
        except BaseException:
            if _under_way(folder, workspace):
                _back(folder, writing)
            raise
        _sweep_up(folder, writing)
    finally:
        if _under_way(folder, workspace) is False:
            shutil.rmtree(workspace, ignore_errors=True)


def _under_way(folder: Path, workspace: Path) -> bool | None:
    """Whether the manifest counts on a workspace; None if it cannot be read just now."""
    try:
        manifest = read_manifest(folder)
    except ValueError:
        return None
    writing = manifest.writing if manifest else None
    return writing is not None and writing.workspace == workspace.name


def _take_up(folder: Path, old: Manifest, writing: Writing) -> Manifest:
    """Ends what a killed run began."""
    workspace = folder / writing.workspace
    if not workspace.is_dir():  # somebody removed it: what is whole stays ours
        either = {
            path: sha
            for path in {**writing.replaced, **writing.files}
            if (sha := digest(folder / path))
            and sha in (writing.replaced.get(path), writing.files.get(path))
        }
        done = old.after(writing.command, either)
        workspace.mkdir(mode=0o700)
        save_manifest(folder, done, workspace)
        return done
    waiting = [path for path in writing.files if (workspace / _NEW / path).exists()]
    refuse_files(folder, {**old.files, **writing.replaced}, waiting)
    try:
        _forward(folder, writing)
    except OSError:
        _back(folder, writing)
        return old
    done = old.after(writing.command, writing.files)
    save_manifest(folder, done, workspace)
    _sweep_up(folder, writing)
    return done


def _forward(folder: Path, writing: Writing) -> None:
    """Moves the new files into their places, and the old ones out of them, as far as that is not
    done yet."""
    new, old = (folder / writing.workspace / name for name in (_NEW, _OLD))
    gone = [path for path in writing.replaced if path not in writing.files]
    if writing.last in writing.replaced and (new / writing.last).exists():
        gone.insert(0, writing.last)
    for path in gone:
        if digest(folder / path) == writing.replaced[path]:
            _make_room(old / path)
            os.replace(folder / path, old / path)
    for path in sorted(writing.files, key=lambda path: path == writing.last):
        if (new / path).exists():
            _make_room(folder / path)
            if path in writing.replaced and (folder / path).exists():
                _make_room(old / path)
                _keep(folder / path, old / path)
            os.replace(new / path, folder / path)


def _keep(file: Path, copy: Path) -> None:
    """Keeps a file under a second name, so that the first is never without one."""
    copy.unlink(missing_ok=True)
    try:
        os.link(file, copy)
    except OSError:  # a file system without links
        os.replace(file, copy)


def _back(folder: Path, writing: Writing) -> None:
    """Moves the old files back into their places, and the old manifest last."""
    workspace = folder / writing.workspace
    new, old = workspace / _NEW, workspace / _OLD
    for path in sorted(writing.files, key=lambda path: path != writing.last):
        if not (new / path).exists() and digest(folder / path) == writing.files[path]:
            if path == writing.last or not (old / path).exists():
                os.replace(folder / path, new / path)
            else:
                _keep(folder / path, new / path)
                os.replace(old / path, folder / path)
    for path in sorted(writing.replaced, key=lambda path: path == writing.last):
        if (old / path).exists():
            _make_room(folder / path)
            os.replace(old / path, folder / path)
    _remove_empty(folder, writing.files)
    if (workspace / _BEFORE).exists():
        os.replace(workspace / _BEFORE, folder / NAME)
    else:
        (folder / NAME).unlink(missing_ok=True)


def _sweep_up(folder: Path, writing: Writing) -> None:
    _remove_empty(folder, writing.replaced)
    shutil.rmtree(folder / writing.workspace, ignore_errors=True)


def _make_room(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)


def _remove_empty(folder: Path, paths: Iterable[str]) -> None:
    """Removes the folders of these files, where nothing is left in them."""
    above = {each for path in paths for each in (folder / path).parents if each != folder}
    inside = [each for each in above if each.is_relative_to(folder)]
    for each in sorted(inside, key=lambda each: len(each.parts), reverse=True):
        with contextlib.suppress(OSError):
            each.rmdir()
