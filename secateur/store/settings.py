"""Which store to use."""

from __future__ import annotations

import os
import re

from secateur.store.base import Store
from secateur.store.environment import VARIABLE, cache_folder, setting
from secateur.store.errors import StoreError
from secateur.store.local import LocalStore


def open_store(location: str | os.PathLike[str] | None = None) -> Store:
    """Opens the store at `location`.

    Args:
        location: a folder or a URL that fsspec knows (`s3://bucket/prefix`). By default the
            environment variable `SECATEUR_STORE`, then the same name in a file `.env` in the
            current folder, then the folder `store` in the user's cache folder.

    Raises:
        StoreError: if the location is not usable as it stands.
    """
    if location is None:
        location = setting(VARIABLE) or cache_folder() / "store"
    text = os.fspath(location).strip()
    if not text:
        raise StoreError(f"The store's location is empty; set {VARIABLE} to a folder or a URL.")
    scheme, separator, rest = text.partition("://")
    if separator and scheme == "file":
        return LocalStore("/" + rest.lstrip("/") if os.name != "nt" else rest.lstrip("/"))
    if separator:
        from secateur.store.remote import RemoteStore

        return RemoteStore(text)
    if re.match(r"[a-z][a-z0-9+]+:/", text):
        raise StoreError(
            f"The store's location begins with {text.split('/')[0]!r}; a URL needs two slashes, "
            "as in s3://bucket/prefix."
        )
    return LocalStore(text)
