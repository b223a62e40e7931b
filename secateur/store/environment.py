"""Settings of the store, from the environment or a file `.env` in the current folder."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "SECATEUR_STORE"
"""The setting that says where the store is."""


def setting(name: str) -> str | None:
    """The environment variable `name`, else the same name in `.env`; None if unset or empty."""
    if value := os.environ.get(name):
        return value
    if Path(".env").is_file():
        from dotenv import dotenv_values

        return dotenv_values(".env").get(name) or None
    return None


def cache_folder() -> Path:
    """The user's cache folder for this project."""
    from platformdirs import user_cache_path

    return user_cache_path("secateur")
