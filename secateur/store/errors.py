"""What the store says when it cannot do its work."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# What may pass by itself when it is tried again a little later.
_TRANSIENT_NAMES = (
    "EIO",
    "EREMOTEIO",
    "EAGAIN",
    "EBUSY",
    "EINTR",
    "ETIMEDOUT",
    "ESTALE",
    "ECONNRESET",
    "ECONNREFUSED",
    "ECONNABORTED",
    "EPIPE",
    "ENETDOWN",
    "ENETUNREACH",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "EMFILE",
    "ENFILE",
    "ENOMEM",
    "ENOLCK",
)
_TRANSIENT = {getattr(errno, name) for name in _TRANSIENT_NAMES if hasattr(errno, name)}

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space (`secateur cache gc` can help) or point "
    "SECATEUR_STORE to another disk",
    errno.EDQUOT: "the disk quota is used up; free some space (`secateur cache gc` can help) or "
    "point SECATEUR_STORE to another disk",
    errno.EROFS: "the file system is read-only; point SECATEUR_STORE to one that can be written",
    errno.EACCES: "permission is denied; give this user access or point SECATEUR_STORE elsewhere",
    errno.EPERM: "permission is denied; give this user access or point SECATEUR_STORE elsewhere",
    errno.ENOTDIR: "a part of this path is a file, not a folder; point SECATEUR_STORE to a folder",
    errno.EEXIST: "a file is in the way; point SECATEUR_STORE to a folder",
    errno.ENAMETOOLONG: "the path is too long; point SECATEUR_STORE to a shorter one",
}


class StoreError(RuntimeError):
    """The store cannot do what was asked; the message is one sentence that says what to do.

    Attributes:
        transient: True where the same call may succeed a little later (I/O errors, a busy or
            unreachable store); False where somebody has to change something first.
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient

    def __reduce__(self):  # keeps `transient` when the error crosses processes
        return _rebuild, (str(self), self.transient)


def _rebuild(message: str, transient: bool) -> StoreError:
    return StoreError(message, transient=transient)


def is_transient(error: OSError) -> bool:
    """Whether an `OSError` may pass by itself."""
    return error.errno in _TRANSIENT or isinstance(error, TimeoutError | ConnectionError)


def from_os_error(error: OSError, doing: str, path: str | os.PathLike[str]) -> StoreError:
    """The `StoreError` for an `OSError` met while `doing` something ("write", "read") at `path`."""
    where = error.filename if isinstance(error.filename, str) else os.fspath(path)
    transient = is_transient(error)
    why = _ADVICE.get(error.errno or 0)
    if why is None:
        why = error.strerror or str(error) or type(error).__name__
        why = f"{why[0].lower()}{why[1:]}" + ("; try again" if transient else "")
    return StoreError(f"The store cannot {doing} {str(Path(where))!r}: {why}.", transient=transient)
