"""The latency and memory of model files, those of a dense model beside those of a pruned one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from secateur.evaluation.latency import compare, latency_name
from secateur.evaluation.machine import cores
from secateur.evaluation.memory import peak_memory
from secateur.evaluation.runtimes import Runner, open_model
from secateur.evaluation.runtimes.runner import Inputs, length, take
from secateur.evaluation.schema import FileSize, Latency

BATCHES = (1, 32)

Files = Mapping[str, Path]
"""Model files by their name as a measurement: the runtime, and how the file is quantized."""


class Measured(BaseModel):
    """What was measured of one model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: dict[str, Latency] = Field(description="Milliseconds of a call.")
    memory: dict[str, int] = Field(description="Bytes that a runtime needs for the file.")
    bytes: dict[str, FileSize] = Field({}, description="Sizes of the weights in sparse formats.")


def measure_files(subjects: Mapping[str, Files], x: Inputs) -> dict[str, Measured]:
    """Measures all models in the runtimes of their files; those of one runtime take turns.

    Args:
        subjects: Files by model, such as `{"dense": {"litert": …}, "fine_tuned": …}`. What is
            before the first hyphen of a file's name is its runtime.
        x: Examples, at least 32.

    Returns:
        What was measured, by model. A file that takes only one example has no value for more.
    """
    latency: dict[str, dict[str, Latency]] = {subject: {} for subject in subjects}
    memory: dict[str, dict[str, int]] = {subject: {} for subject in subjects}
    runtimes = dict.fromkeys(n.partition("-")[0] for files in subjects.values() for n in files)
    for runtime in runtimes:
        files = {
            (subject, name): path
            for subject, some in subjects.items()
            for name, path in some.items()
            if name.partition("-")[0] == runtime
        }
        for threads, batch in _settings(runtime):
            for (subject, name), found in _turns(files, threads, take(x, slice(batch))).items():
                latency[subject][latency_name(name, threads, batch)] = found
        for (subject, name), path in files.items() if runtime != "keras" else ():
            bytes_ = peak_memory(path, x)
            if bytes_ is not None:
                memory[subject][name] = bytes_
    return {
        subject: Measured(latency_ms=latency[subject], memory=memory[subject])
        for subject in subjects
    }


def _settings(runtime: str) -> Iterator[tuple[int, int]]:
    """Threads and batch sizes to measure; TensorFlow's threads are those it started with."""
    for threads in sorted({cores()} if runtime == "keras" else {1, cores()}):
        for batch in BATCHES:
            yield threads, batch


def _turns(files: Mapping, threads: int, x: Inputs) -> dict:
    runners: dict[object, Runner] = {key: open_model(path, threads) for key, path in files.items()}
    calls: dict = {
        key: runner.ready(x) for key, runner in runners.items() if runner.batch in (None, length(x))
    }
    return compare(calls) if calls else {}
