"""A place at a URL: the few operations that the remote store needs, over fsspec."""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import logging
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from secateur.store.errors import StoreError, is_transient

_log = logging.getLogger(__name__)

# Here folders are not made, and asking for one could make a bucket.
_WITHOUT_FOLDERS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"}

_TIMES = ("LastModified", "last_modified", "mtime", "updated", "modified", "created")

# How long the difference between this machine's clock and the server's is trusted.
_CLOCK_TRUST = 600.0

_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class Info(NamedTuple):
    """Size of an object and when it was written, by the server's clock."""

    size: int
    modified: float


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment, as it may be shown."""
    scheme, separator, rest = url.partition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


class Bucket:
    """Objects below a URL, by relative path.

    Args:
        url: any URL that fsspec knows. Credentials and endpoints come from the environment.

    Raises:
        StoreError: if the protocol is not known or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        self.shown = without_secrets(url)
        self._protocol = url.partition("://")[0]
        self._secrets = _secrets(url)
        if self._protocol in ("s3", "s3a", "gs", "gcs") and "@" in url.split("/")[2]:
            raise StoreError(
                f"The URL of the store {self.shown!r} holds a user or password; leave it out, as "
                "credentials come from the environment."
            )
        options: dict[str, Any] = {"use_listings_cache": False}
        if self._protocol in ("file", "local"):
            options["auto_mkdir"] = True
        try:
            self.fs, path = url_to_fs(url, **options)
        except ImportError as error:
            extra = "pip install 'secateur[s3]'" if self._protocol in ("s3", "s3a") else str(error)
            raise StoreError(
                f"The store {self.shown!r} needs a package that is not installed: {extra}."
            ) from error
        except Exception as error:
            raise self._failed("open", self.shown, error) from self._cause(error)
        self.root = path.rstrip("/")
        self._clock: tuple[float, float] | None = None  # server time - monotonic, measured at

    # ---- errors --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _doing(self, what: str, path: str = "") -> Iterator[None]:
        try:
            yield
        except (*_MISSING, FileExistsError, StoreError):
            raise
        except Exception as error:
            raise self._failed(what, f"{self.shown}/{path}", error) from self._cause(error)

    def _failed(self, what: str, where: str, error: Exception) -> StoreError:
        """One sentence about any error of any backend, without credentials."""
        family, name = type(error).__module__.partition(".")[0], type(error).__name__
        text = re.sub(r"//[^/@\s]*@", "//", " ".join(str(error).split()))
        text = re.sub(r"\?[^\s\"']*", "", text)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = text.rstrip(".") or name
        denied = isinstance(error, PermissionError) or re.search("Credential|Token|Denied", name)
        if denied:
            text += "; check the credentials in the environment"
            transient = False
        elif isinstance(error, OSError):
            transient = is_transient(error)
        else:
            libraries = {"botocore", "aiobotocore", "aiohttp", "urllib3", "requests", "google"}
            transient = family in libraries | {"azure", "asyncio", "fsspec"}
            transient = transient and not re.search("Param|Profile|Unknown|Validation", name)
        advice = "; try again" if transient else ""
        return StoreError(
            f"The store cannot {what} {where.rstrip('/')!r}: {text}{advice}.", transient=transient
        )

    def _cause(self, error: Exception) -> Exception | None:
        """The error itself, unless its traceback would show credentials."""
        chain: list[str] = []
        link: BaseException | None = error
        while link is not None:
            chain.append(str(link))
            link = link.__cause__ or link.__context__
        text = " ".join(chain)
        return None if any(secret in text for secret in self._secrets) else error

    # ---- objects -------------------------------------------------------------------------------

    def path(self, name: str) -> str:
        return f"{self.root}/{name}" if self.root else name

    def read(self, name: str) -> bytes | None:
        """The bytes of an object, or None if there is none."""
        with self._doing("read", name):
            try:
                return self.fs.cat_file(self.path(name))
            except _MISSING:
                return None

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of those objects that are there; several at once where the backend can."""
        ordered = list(names)
        for start in range(0, len(ordered), 200):
            batch = {self.path(name): name for name in ordered[start : start + 200]}
            with self._doing("read"):
                # A list always gives a mapping, one pair for each path that was read.
                found = self.fs.cat(list(batch), on_error="omit") if batch else {}
            known = {path.lstrip("/"): name for path, name in batch.items()}
            for path, data in found.items():
                yield known[path.lstrip("/")], data

    def write(self, name: str, data: bytes) -> None:
        with self._doing("write", name):
            self._with_folder(name, lambda path: self.fs.pipe_file(path, data))

    def create(self, name: str, data: bytes) -> bool:
        """Writes an object only if there is none; False if there is one.

        Atomic where the backend has it: `If-None-Match` on S3, a generation match on Google
        Cloud Storage, `O_EXCL` on file systems. Elsewhere it is a look before a write.
        """
        with self._doing("write", name):
            try:
                self._with_folder(name, lambda path: self._create(path, data))
                return True
            except FileExistsError:
                return False
            except OSError as error:
                # S3: 412 is "exists"; 409 is another conditional write of the same moment.
                refused = re.search(
                    "PreconditionFailed|ConditionalRequestConflict", _all_text(error)
                )
                if refused or error.errno == errno.EEXIST:
                    return False
                raise

    def _create(self, path: str, data: bytes) -> None:
        if self._protocol in ("file", "local"):
            with self.fs.open(path, "xb") as file:
                file.write(data)
            return
        try:
            self.fs.pipe_file(path, data, mode="create")
        except (TypeError, NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.ENOSYS:
                raise
            if self.fs.exists(path):  # the backend has no conditional write
                raise FileExistsError(path) from error
            self.fs.pipe_file(path, data)

    def upload(self, file: Path, name: str) -> None:
        with self._doing("write", name):
            self._with_folder(name, lambda path: self.fs.put_file(str(file), path))

    def download(self, name: str, file: Path) -> None:
        """Writes an object to a file; `FileNotFoundError` if there is none."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._doing("read", name):
            self.fs.get_file(self.path(name), str(file))

    def hash(self, name: str) -> str:
        """SHA-256 of an object, in constant memory."""
        digest = hashlib.sha256()
        with self._doing("read", name), self.fs.open(self.path(name), "rb") as file:
            while block := file.read(8 * 2**20):
                digest.update(block)
        return digest.hexdigest()

    def delete(self, *names: str) -> None:
        for name in names:
            with self._doing("delete", name), contextlib.suppress(*_MISSING):
                self.fs.rm_file(self.path(name))

    def find(self, folder: str) -> dict[str, Info]:
        """All objects below a folder, by path relative to the bucket's root."""
        with self._doing("list", folder):
            try:
                found = self.fs.find(self.path(folder), detail=True)
            except _MISSING:
                return {}
        start = len(self.root.lstrip("/")) + 1 if self.root.strip("/") else 0
        return {
            path.lstrip("/")[start:]: Info(int(info.get("size") or 0), self._modified(path, info))
            for path, info in found.items()
            if info.get("type", "file") == "file"
        }

    def _with_folder(self, name: str, write: Any) -> None:
        path = self.path(name)
        try:
            write(path)
        except FileNotFoundError as error:
            if self._protocol in _WITHOUT_FOLDERS:
                raise StoreError(
                    f"The bucket of the store {self.shown!r} does not exist; create it first or "
                    "correct SECATEUR_STORE."
                ) from self._cause(error)
            self.fs.makedirs(os.path.dirname(path), exist_ok=True)
            write(path)

    # ---- time ----------------------------------------------------------------------------------

    def _modified(self, path: str, info: dict[str, Any]) -> float:
        value = next((info[key] for key in _TIMES if info.get(key) is not None), None)
        if value is None:
            value = self.fs.modified(path)
        if isinstance(value, str):
            value = datetime.datetime.fromisoformat(value)
        if isinstance(value, datetime.datetime):
            if value.tzinfo is None:
                value = value.replace(tzinfo=datetime.UTC)
            return value.timestamp()
        return float(value)

    def modified(self, name: str) -> float | None:
        """When an object was last written, by the server's clock; None if there is none."""
        with self._doing("read", name):
            try:
                path = self.path(name)
                return self._modified(path, self.fs.info(path))
            except _MISSING:
                return None

    def now(self) -> float:
        """The time by the server's clock, so that the clocks of the workers do not matter."""
        if self._clock is None or time.monotonic() - self._clock[1] > _CLOCK_TRUST:
            name = f"clock/{uuid.uuid4().hex}"
            self.write(name, b"")
            measured = time.monotonic()
            modified = self.modified(name)
            self.delete(name)
            if modified is None:  # somebody tidied up; this machine's clock will do
                modified = time.time()
            self._clock = (modified - measured, measured)
        return self._clock[0] + time.monotonic()


def _secrets(url: str) -> list[str]:
    """Parts of a URL that must not be shown."""
    rest = url.partition("://")[2]
    user = rest.partition("/")[0].rpartition("@")[0]
    query = re.split(r"[?#]", rest, maxsplit=1)[1:]
    parts = [user, user.partition(":")[2], *query]
    return [part for part in parts if part]


def _all_text(error: BaseException) -> str:
    cause = error.__cause__
    return f"{error} {type(error).__name__} {cause}" if cause else str(error)
