"""Runs in MLflow: what was asked, what came out, the curves of training, and the files.

The tracking server is the one that MLflow's own environment variable MLFLOW_TRACKING_URI names;
without it MLflow keeps runs in `mlflow.db` and `mlruns` of the current folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from secateur.report.histories import History

_PARAMETERS, _METRICS = 100, 1000
"""Entries that a request to MLflow holds at most."""
_LENGTH = 6000
"""Characters of a parameter's value."""


class TrackingError(RuntimeError):
    """MLflow did not take a run; one sentence."""


@dataclass(frozen=True)
class Tracked:
    """One run.

    Attributes:
        name: Its name in MLflow.
        parameters: Groups of parameters, as plain JSON.
        metrics: Numbers that came out.
        curves: Trainings by name.
        files: Files and folders that are kept with the run.
    """

    name: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, History] = field(default_factory=dict)
    files: Sequence[Path] = ()


def check_tracking() -> None:
    """Refuses to track where MLflow is not installed; imports nothing.

    Raises:
        ValueError: One sentence that names the extra.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise ValueError(
            "publish.mlflow needs the extra `mlflow`; install it with pip install "
            "'secateur[mlflow]'."
        )


def open_experiment(experiment: str) -> None:
    """Makes the experiment if there is none, so that a server out of reach is known early.

    Raises:
        ValueError: One sentence: the server does not answer, or refuses.
    """
    retries = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"  # by default minutes pass until MLflow gives up
    before = os.environ.setdefault(retries, "1")
    try:
        _experiment(_client(), experiment)
    except Exception as error:  # MLflow's own, those of its stores and of the network
        raise ValueError(
            f"publish.mlflow is {experiment!r}, but MLflow at {_place()} cannot be used "
            f"({_in_short(error)}); set MLFLOW_TRACKING_URI to one that can, or leave it out."
        ) from None  # what it came from can hold credentials
    finally:
        if before == "1":
            del os.environ[retries]


def track(experiment: str, runs: Sequence[Tracked]) -> list[str]:
    """Writes finished runs.

    Args:
        experiment: Name of the experiment in MLflow.
        runs: The runs.

    Returns:
        MLflow's id of each.

    Raises:
        TrackingError: One sentence; a run that was begun is marked as failed.
    """
    try:
        client = _client()
        number = _experiment(client, experiment)
        return [_write(client, number, run) for run in runs]
    except Exception as error:  # as above
        raise TrackingError(
            f"MLflow at {_place()} did not take the run ({_in_short(error)}); the results are in "
            "the output folder, and the same command tries again: what was computed is kept."
        ) from None


def _client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient()


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def _write(client: Any, experiment: str, tracked: Tracked) -> str:
    from mlflow.entities import Metric, Param

    tags = {"mlflow.source.name": "secateur", "mlflow.source.type": "JOB"}
    run = client.create_run(experiment, run_name=tracked.name, tags=tags).info
    try:
        parameters = [Param(name, value) for name, value in _flat(tracked.parameters)]
        metrics = [
            Metric(_name(name), float(value), run.start_time, step)
            for name, value, step in _points(tracked)
        ]
        for start in range(0, len(parameters), _PARAMETERS):
            client.log_batch(run.run_id, params=parameters[start : start + _PARAMETERS])
        for start in range(0, len(metrics), _METRICS):
            client.log_batch(run.run_id, metrics=metrics[start : start + _METRICS])
        for path in tracked.files:
            if path.is_dir():
                client.log_artifacts(run.run_id, str(path), path.name)
            else:
                client.log_artifact(run.run_id, str(path))
    except BaseException:
        client.set_terminated(run.run_id, "FAILED")
        raise
    client.set_terminated(run.run_id, "FINISHED")
    return run.run_id


def _points(tracked: Tracked) -> Iterator[tuple[str, float, int]]:
    for name, value in tracked.metrics.items():
        yield name, value, 0
    for training, history in tracked.curves.items():
        for name, values in history.items():
            for epoch, value in enumerate(values):
                yield f"{training}.{name}", value, epoch


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and values as text; what was left empty is left out."""
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield _name(prefix + name), str(value)[:_LENGTH]


def _name(name: str) -> str:
    """A name with what MLflow allows in one."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _place() -> str:
    """Where runs go, without credentials."""
    from mlflow import get_tracking_uri

    uri = get_tracking_uri()
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _in_short(error: Exception) -> str:
    """Its first line, without credentials in addresses."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"//[^/@\s]*@", "//", lines[0]).rstrip(".")[:200]
