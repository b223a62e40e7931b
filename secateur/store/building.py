"""One build in a folder of the store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secateur.store import manifest
from secateur.store.artifact import Artifact
from secateur.store.canonical import canonical_json
from secateur.store.errors import StoreError, from_os_error
from secateur.store.manifest import Manifest

if TYPE_CHECKING:
    from secateur.store.local import LocalStore


class LocalBuild:
    """A build in a `LocalStore`; see `Store.build`."""

    def __init__(self, store: LocalStore, key: str, stage: str, inputs: dict[str, Any]) -> None:
        self.artifact: Artifact | None = None
        self.key = key
        self._store = store
        self._stage = stage
        self._inputs = inputs
        self._begun = time.monotonic()
        self._folder: Path | None = None
        self._upload = ""

    @property
    def label(self) -> str:
        """What is built, for people."""
        return f"{self._stage} {self.key[:12]}".strip()

    def begin(self) -> None:
        """Makes the folder to build in; the lock of the key is held."""
        for old in (self._store.root / "tmp").glob(f"{self.key}.*"):
            shutil.rmtree(old, ignore_errors=True)
        self._begun = time.monotonic()
        self._folder = self._store.temporary(self.key)
        try:
            (self._folder / manifest.FILES).mkdir(parents=True)
        except OSError as error:
            raise from_os_error(error, "write", self._folder) from error

    @property
    def directory(self) -> Path:
        """A fresh folder for the files of the artifact."""
        return self._open_folder() / manifest.FILES

    @property
    def partial(self) -> Path:
        """A folder that a crash does not take; the next build of this key gets it again."""
        self._open_folder()
        folder = self._store.partial_folder(self.key)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise from_os_error(error, "write", folder) from error
        return folder

    def commit(self, digest: str, metadata: Mapping[str, Any] | None = None) -> Artifact:
        """Stores what was written into `directory`, whole or not at all.

        Args:
            digest: digest of the content, as downstream keys shall see it.
            metadata: small facts as plain JSON, handed out with the artifact.

        Returns:
            The stored artifact, which is `build.artifact` from now on.
        """
        folder = self._open_folder()
        canonical_json(metadata or {})
        try:
            files = manifest.take_in(folder / manifest.FILES, manifest.sync)
            entry = Manifest(
                key=self.key,
                digest=digest,
                stage=self._stage,
                created=time.time(),
                seconds=time.monotonic() - self._begun,
                files=files,
                metadata=dict(metadata or {}),
                inputs=self._inputs,
                upload=self._upload,
            )
            placed = self._place(folder, entry)
        except OSError as error:
            raise from_os_error(error, "write", folder) from error
        self._folder = None
        shutil.rmtree(self._store.partial_folder(self.key), ignore_errors=True)
        target = self._store.object_folder(self.key)
        # Read back what the manifest says: the caller sees what every later reader sees.
        stored = Manifest.from_bytes(placed.to_bytes(), self.key)
        self.artifact = stored.artifact(target / manifest.FILES, self._uri())
        return self.artifact

    def _place(self, folder: Path, entry: Manifest) -> Manifest:
        """Stores a finished folder; returns the manifest that counts from now on."""
        self._store.place(folder, entry)
        return entry

    def _uri(self) -> str:
        return self._store.object_folder(self.key).as_uri()

    def discard(self) -> None:
        """Removes what was not committed, except the partial folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _open_folder(self) -> Path:
        if self._folder is None:
            raise StoreError(
                f"The build of {self.key[:12]} is not open: its artifact was there already, "
                "it was committed, or its `with` block was left."
            )
        return self._folder
