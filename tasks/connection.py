"""What becomes of a run when its Prefect server restarts, is busy or is gone."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx
from prefect.settings import PREFECT_API_URL

_log = logging.getLogger(__name__)

T = TypeVar("T")

_PATIENCE = 600.0  # seconds
_PAUSE = 2.0
_BUSY = {408, 429, 502, 503, 504}
"""Answers after which the same request can go well; of 503 Prefect says that it rolled back."""


def lost(error: BaseException) -> bool:
    """Whether no request got through to the Prefect server, for a reason that may pass."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _BUSY
    return isinstance(error, httpx.TransportError)


def insist(request: Callable[[], T]) -> T:
    """What `request` returns, once the server answers; it must do no harm if it is made twice.

    Prefect's client tries again for a minute at most; a server that is moved or restarted can
    take longer.

    Raises:
        RuntimeError: One sentence: the server has not answered for ten minutes.
    """
    deadline = time.monotonic() + _PATIENCE
    told = False
    while True:
        try:
            return request()
        except httpx.HTTPError as error:
            if not lost(error):
                raise
            if time.monotonic() > deadline:
                raise RuntimeError(said(error)) from error
            if not told:
                _log.warning("The Prefect server does not answer (%s); waiting for it.", error)
                told = True
        time.sleep(_PAUSE)


@contextlib.contextmanager
def shown_only() -> Iterator[None]:
    """For what a run shows in the Prefect UI: where that cannot be shown, the run goes on."""
    try:
        yield
    except httpx.HTTPError as error:
        if not lost(error):
            raise
        _log.warning("The Prefect server does not answer (%s); the run goes on.", error)


def said(error: BaseException) -> str:
    """One sentence on a connection that was lost."""
    why = " ".join(str(error).split()) or type(error).__name__
    return (
        f"the Prefect server at {PREFECT_API_URL.value()} no longer answers ({why}); what was "
        "computed is kept: run the same command again when the server is back."
    )
