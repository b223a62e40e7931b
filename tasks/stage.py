"""What makes a function a stage: its key, the look-up, the build, and what Prefect shows of it."""

from __future__ import annotations

import errno
import functools
import inspect
import platform
import shutil
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any, NamedTuple

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.settings import PREFECT_TASKS_REFRESH_CACHE
from prefect.states import Completed
from prefect.tasks import exponential_backoff

from secateur.layout import ROOT
from secateur.report.record import StageRecord
from secateur.store import (
    STORE_FORMAT,
    Artifact,
    Build,
    Reference,
    StoreError,
    digest_of,
    first_party_file,
    open_store,
    source_digest,
)
from secateur.tasks.pinned import pinned
from secateur.tasks.progress import displays
from secateur.tasks.quiet import import_tensorflow

_VERSIONED = ("numpy", "keras", "tensorflow", "tensorflow-datasets")
_LASTING = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}
"""Errors of the file system that stay until somebody acts."""


class StageResult(Reference):
    """What a stage hands to the next: a reference to its artifact, and its line of the report."""

    record: StageRecord


class Product(NamedTuple):
    """What a stage's function returns when it has written its files.

    Attributes:
        digest: Digest of the content, on which the keys of later stages stand.
        metadata: Small facts in plain JSON that are kept beside the files; `notices` is a list
            of sentences for the report, `checks` one of `secateur.proof.Check` as dicts.
        unfinished: Why this is not yet what the stage was asked for, as a sentence for the report.
            Such a result serves the run that made it; the next one goes on with the build.
    """

    digest: str
    metadata: dict[str, Any]
    unfinished: str | None = None


class Stage:
    """A stage as a callable. Called inside a flow, it runs as a Prefect task.

    Its arguments are references or lists of them (the artifacts it reads), pydantic models and
    plain values (its parameters); `subject` and `round` label it, and `refresh` builds it again.
    """

    def __init__(self, name: str, work: Callable[..., Product], outside: Callable[..., Any] | None):
        self.name = name
        self._work = work
        self._outside = outside
        self._signature = inspect.signature(work)
        self.task = self._as_task()

    def __call__(self, **arguments: Any) -> StageResult:
        outcome = self.task(**arguments)
        # Of a task that returned a state, such as Cached, Prefect hands out the state.
        return outcome.result() if isinstance(outcome, State) else outcome

    def key(self, **arguments: Any) -> str:
        """The key of the artifact that these arguments give."""
        return digest_of(self._ingredients(arguments))

    def find(self, **arguments: Any) -> Reference | None:
        """The artifact that a call would find in the store, or None if it would build it."""
        artifact = open_store().get(self.key(**arguments))
        return artifact.reference if artifact else None

    def _ingredients(self, arguments: dict[str, Any]) -> dict[str, Any]:
        bound = self._signature.bind(build=None, **arguments)
        bound.apply_defaults()
        values = {name: value for name, value in bound.arguments.items() if name != "build"}
        upstream = {name: _digests(v) for name, v in values.items() if _refers(v)}
        parameters = {name: v for name, v in values.items() if not _refers(v)}
        return {
            "stage": self.name,
            "source": source_digest(
                first_party_file(f"secateur.tasks.{self._work.__name__}", ROOT), ROOT
            ).digest,
            "parameters": parameters,
            "upstream": upstream,
            "outside": self._outside(**parameters) if self._outside else None,
            "versions": versions(),
        }

    def _run(
        self,
        arguments: dict[str, Any],
        subject: str | None,
        round: int | None,
        refresh: bool,
    ) -> State[StageResult] | StageResult:
        start = time.monotonic()
        ingredients = self._ingredients(arguments)
        key = digest_of(ingredients)
        refresh = refresh or PREFECT_TASKS_REFRESH_CACHE.value()
        building = open_store().build(key, stage=self.name, inputs=ingredients, refresh=refresh)
        with pinned(), building as build:
            artifact = build.artifact
            cached = artifact is not None
            if artifact is None:
                import_tensorflow()
                product = self._work(build=build, **arguments)
                if product.unfinished:
                    artifact = self._store_unfinished(key, build, product, ingredients)
                else:
                    artifact = build.commit(product.digest, product.metadata)
            result = self._result(artifact, subject, round, cached, start)
        _log(result)
        for display in displays:
            display.finished(result.record)
        return Completed(name="Cached", data=result) if cached else result

    def _store_unfinished(
        self, key: str, build: Build, product: Product, ingredients: dict[str, Any]
    ) -> Artifact:
        """Stores what there is of `key` under another one.

        The build itself is not committed: no run finds its key, and its partial folder, with the
        checkpoint, is there for the next one.
        """
        said = [*product.metadata.get("notices", ()), product.unfinished]
        own = digest_of({"unfinished": key, "digest": product.digest, "said": said})
        with open_store().build(own, stage=self.name, inputs=ingredients) as interim:
            if interim.artifact is None:
                shutil.copytree(build.directory, interim.directory, dirs_exist_ok=True)
                interim.commit(product.digest, {**product.metadata, "notices": said})
            assert interim.artifact is not None
            return interim.artifact

    def _result(self, artifact: Artifact, subject, number, cached, start) -> StageResult:
        record = StageRecord(
            name=self.name,
            subject=subject,
            round=number,
            key=artifact.key,
            cached=cached,
            seconds=round(time.monotonic() - start, 3),
        )
        return StageResult(**artifact.reference.model_dump(), record=record)

    def _as_task(self) -> Any:
        options = [
            inspect.Parameter("subject", inspect.Parameter.KEYWORD_ONLY, default=None),
            inspect.Parameter("round", inspect.Parameter.KEYWORD_ONLY, default=None),
            inspect.Parameter("refresh", inspect.Parameter.KEYWORD_ONLY, default=False),
        ]
        own = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in self._signature.parameters.values()
            if parameter.name != "build"
        ]

        @functools.wraps(self._work)
        def run(*, subject=None, round=None, refresh=False, **arguments):
            return self._run(arguments, subject, round, refresh)

        run.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        as_task = task(
            name=self.name,
            task_run_name=_task_run_name(self.name),
            cache_policy=NO_CACHE,
            retries=3,
            retry_delay_seconds=exponential_backoff(backoff_factor=1),
            retry_jitter_factor=0.5,
            retry_condition_fn=can_pass,
            result_serializer="json",
        )
        return as_task(run)


def stage(
    *, name: str | None = None, outside: Callable[..., Any] | None = None
) -> Callable[[Callable], Stage]:
    """Makes a stage of a function `work(build, …) -> Product`.

    Args:
        name: The stage; by default the function's name, which is the name of its file. Another
            way to do the same stage has a file of its own: its code counts only where it runs.
        outside: Called with the stage's parameters; what it returns joins the key. For what a
            result depends on beside parameters and artifacts, such as a user's file.
    """
    return lambda work: Stage(name or work.__name__, work, outside)


def _refers(value: Any) -> bool:
    """Whether an argument is an artifact, or a list of some."""
    listed = isinstance(value, list) and value and isinstance(value[0], Reference)
    return isinstance(value, Reference) or bool(listed)


def _digests(value: Any) -> Any:
    return [each.digest for each in value] if isinstance(value, list) else value.digest


def read(reference: Reference) -> Artifact:
    """The artifact that a stage got a reference to."""
    return open_store().open(reference)


def can_pass(_task: Any, _run: Any, state: State) -> bool:
    """Whether what went wrong may pass by itself, so that the stage should be tried again.

    Trouble with files and the network passes, and so does a lack of memory where other programs
    run. Bad parameters, a loss that is not finite and a full disk do not.
    """
    error = state.result(raise_on_failure=False)
    if isinstance(error, StoreError):
        return error.transient
    if isinstance(
        error, FileNotFoundError | PermissionError | NotADirectoryError | FileExistsError
    ):
        return False
    if isinstance(error, OSError):
        return error.errno not in _LASTING
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _log(result: StageResult) -> None:
    """One line in the log of the task run."""
    if TaskRunContext.get() is None:
        return
    key, seconds = result.key[:12], result.record.seconds
    if result.record.cached:
        get_run_logger().info("Found in the store (%s).", key)
    else:
        get_run_logger().info("Built in %.1f s and stored (%s).", seconds, key)


def _task_run_name(name: str) -> Callable[[], str]:
    def task_run_name() -> str:
        from prefect.runtime import task_run

        parameters = task_run.parameters
        parts = [name, parameters.get("subject"), parameters.get("round")]
        return "-".join(str(part) for part in parts if part is not None)

    return task_run_name


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what every result depends on: Python, the store's format, and libraries."""
    packages = {name: metadata.version(name) for name in _VERSIONED}
    return {"python": platform.python_version(), "store": str(STORE_FORMAT), **packages}


__all__ = [
    "Build",
    "Product",
    "Stage",
    "StageRecord",
    "StageResult",
    "can_pass",
    "read",
    "stage",
    "versions",
]
