"""Where the packages of Secateur lie, so that code of two installations is never mixed."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds the package `secateur`."""


def check_installation(file: str) -> None:
    """Says so where `secateur.flows` or `secateur.tasks` is another installation's.

    In an installation they lie inside `secateur`, in a checkout beside it. A checkout's `secateur`
    in the current folder, with an installation of another one, would get that one's flows.

    Args:
        file: the `__file__` of the package's `__init__`.

    Raises:
        ImportError: one sentence with both folders.
    """
    package = Path(file).resolve().parent
    library = ROOT / "secateur"
    if package.parent not in (library, ROOT):
        raise ImportError(
            f"secateur is imported from {library}, but secateur.{package.name} from {package}, "
            "which belongs to another installation; install the one that is meant "
            f"(pip install -e {ROOT}), or start in another folder."
        )
