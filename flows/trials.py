"""The trials of a sweep as Prefect tasks, and where they run."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from secateur.flows.parameters import PruneParameters
from secateur.flows.pipeline import find_through, run_stages, wire, wire_importance, wire_train
from secateur.flows.search_wiring import wire_candidate
from secateur.tasks.pinned import pinned

_THROUGH: dict[str, Callable] = {
    "train": wire_train,
    "importance": wire_importance,
    "candidate": wire_candidate,
    "trial": wire,
}


class Job(NamedTuple):
    """Something for a worker to do.

    Attributes:
        name: Of the task run.
        part: How far the stages are run: `train`, `importance`, `candidate` (to the validation of
            a pruned model, for a search), or `trial` for all of them.
        parameters: Resolved ones, as plain JSON.
        rungs: Part `candidate`: epochs that fine-tuning is cut at, as in `wire_candidate`.
    """

    name: str
    part: str
    parameters: dict[str, Any]
    rungs: tuple[int, ...] = ()


class Result(NamedTuple):
    """How a job ended.

    Attributes:
        error: One sentence if it failed.
        crashed: Whether its process was lost, so that another try may end well.
    """

    error: str | None = None
    crashed: bool = False


@task(name="trial", task_run_name="{name}", cache_policy=NO_CACHE)
def trial(
    name: str, part: str, parameters: dict[str, Any], rungs: tuple[int, ...] = ()
) -> State | None:
    """Runs the stages of one trial, or the first of them that trials share."""
    resolved = PruneParameters.model_validate(parameters)
    through = _THROUGH[part]
    if part == "candidate":
        through = functools.partial(through, rungs=tuple(rungs))
    with pinned():
        if part in ("candidate", "trial") and find_through(through, resolved):
            return Completed(name="Cached", message="Every stage was in the store.")
        _clear()
        run_stages(resolved, through=through)
    return None


def _clear() -> None:
    """Frees what the trial before built, so that memory does not grow with their number."""
    if keras := sys.modules.get("keras"):
        keras.utils.clear_session()


def run_here(jobs: Sequence[Job], advance: Callable[[Job, Result], None]) -> list[Result]:
    """Runs jobs one after another in this process."""
    results = []
    for job in jobs:
        results.append(_result(trial(**job._asdict(), return_state=True)))
        advance(job, results[-1])
    return results


def run_on(
    runner: TaskRunner, jobs: Sequence[Job], advance: Callable[[Job, Result], None]
) -> list[Result]:
    """Runs jobs on a task runner that has been entered; results in the order of the jobs.

    `advance` does not hear of those that crashed: they may get another try.
    """
    futures = [runner.submit(trial, job._asdict()) for job in jobs]
    results = []
    for job, future in zip(jobs, futures, strict=True):
        try:
            future.wait()
            results.append(_result(future.state))
        except Exception as error:  # the process or the connection is gone
            results.append(Result(_sentence(error), crashed=True))
        if not results[-1].crashed:
            advance(job, results[-1])
    return results


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[TaskRunner]:
    """A pool of processes that share the processor's cores evenly."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    runner = ProcessPoolTaskRunner(workers, initializer=_warm, initargs=(threads,))
    with runner:
        yield runner


def _warm(threads: int) -> None:
    """Prepares a worker: its share of the cores, and TensorFlow, once for all its trials."""
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
    from secateur.tasks.quiet import import_tensorflow

    import_tensorflow()


@contextlib.contextmanager
def dask_cluster(address: str) -> Iterator[TaskRunner]:
    """The Dask cluster at `address`.

    Raises:
        ValueError: One sentence: the extra is not installed, or nobody answers there.
    """
    try:
        from distributed import Client
        from prefect_dask import DaskTaskRunner
    except ImportError as error:
        raise ValueError(
            "runner dask needs the extra `dask`; install it with pip install 'secateur[dask]'."
        ) from error
    try:
        Client(address, timeout=20, set_as_default=False).close()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"address is {address!r}, where no Dask scheduler answers; start one, or give "
            "another address."
        ) from error
    with DaskTaskRunner(address=address) as runner:
        yield runner


def _result(state: State) -> Result:
    if state.is_completed():
        return Result()
    error = state.result(raise_on_failure=False)
    return Result(_sentence(error) if isinstance(error, BaseException) else str(state.message))


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
