"""Users' own functions, `package.module:function`: which may run, asked without importing them."""

from __future__ import annotations

import importlib.util

from pydantic_settings import BaseSettings, SettingsConfigDict

PATTERN = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
"""How a function is named."""


class ModelSettings(BaseSettings):
    """What the operator of this machine allows, from the environment or `.env`."""

    model_config = SettingsConfigDict(env_prefix="SECATEUR_", env_file=".env", extra="ignore")

    model_modules: str = ""
    """Modules whose factories may run, separated by commas; a package allows all inside it."""

    def allows(self, module: str) -> bool:
        allowed = [name.strip() for name in self.model_modules.split(",") if name.strip()]
        return any(module == name or module.startswith(name + ".") for name in allowed)


def check_module(field: str, module: str) -> None:
    """Refuses a module that the operator has not allowed, or that is not installed.

    Args:
        field: The parameter that names it.
        module: Its dotted name.

    Raises:
        ValueError: One sentence.
    """
    if not ModelSettings().allows(module):
        raise ValueError(
            f"{field} is in the module {module!r}, which the operator has not allowed; "
            "name it in the environment variable SECATEUR_MODEL_MODULES where the pipeline "
            "runs."
        )
    try:
        found = importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise ValueError(f"{field} names the module {module!r}, which is not installed.")


def check_factory(field: str, factory: str) -> None:
    """The same for `package.module:function`."""
    check_module(field, factory.partition(":")[0])
