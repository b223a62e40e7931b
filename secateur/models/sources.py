"""What may be loaded as a model, answered without importing TensorFlow or the user's code."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from secateur.models.archive import check_archive
from secateur.models.config import ModelConfig
from secateur.store import package_digest


class ModelSettings(BaseSettings):
    """What the operator of this machine allows, from the environment or `.env`."""

    model_config = SettingsConfigDict(env_prefix="SECATEUR_", env_file=".env", extra="ignore")

    model_modules: str = ""
    """Modules whose factories may run, separated by commas; a package allows all inside it."""

    def allows(self, module: str) -> bool:
        allowed = [name.strip() for name in self.model_modules.split(",") if name.strip()]
        return any(module == name or module.startswith(name + ".") for name in allowed)


def check_model(config: ModelConfig) -> None:
    """Refuses a file that is not there or not safe to load, and a factory that is not allowed.

    Raises:
        ValueError: One sentence.
    """
    if config.path is not None:
        path = Path(config.path).expanduser()
        if not path.is_file():
            raise ValueError(
                f"model.path is {config.path!r}, which is no file; give a .keras file."
            )
        if path.suffix != ".keras":
            raise ValueError(
                f"model.path is {config.path!r}; allowed is a file that ends in .keras: load yours "
                "in Keras and save it as one."
            )
        check_archive(path)
    if config.factory is not None:
        module = config.factory.partition(":")[0]
        if not ModelSettings().allows(module):
            raise ValueError(
                f"model.factory is in the module {module!r}, which the operator has not allowed; "
                "name it in the environment variable SECATEUR_MODEL_MODULES where the pipeline "
                "runs."
            )
        try:
            found = importlib.util.find_spec(module.partition(".")[0]) is not None
        except (ImportError, ValueError):
            found = False
        if not found:
            raise ValueError(f"model.factory names the module {module!r}, which is not installed.")


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's bytes, read a piece at a time."""
    with Path(path).expanduser().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_fingerprint(config: ModelConfig) -> str | None:
    """Digest of the user's file or code that a model comes from; None for an architecture."""
    if config.path is not None:
        return file_digest(config.path)
    if config.factory is not None:
        return package_digest(config.factory.partition(":")[0])
    return None
