"""What makes a function a stage: look-up, build, retries, and what Prefect gets to see."""

from __future__ import annotations

import errno
import logging

import pytest
from prefect import flow, get_client
from prefect.settings import PREFECT_TASKS_REFRESH_CACHE, temporary_settings
from prefect.states import Failed

from secateur.datasets.load import DownloadError
from secateur.store import StoreError, digest_of, open_store
from secateur.tasks import stage as stage_module
from secateur.tasks.evaluate import evaluate
from secateur.tasks.explain import explain
from secateur.tasks.fine_tune import fine_tune
from secateur.tasks.importance import importance
from secateur.tasks.load_data import load_data
from secateur.tasks.progress import displays
from secateur.tasks.prune import prune
from secateur.tasks.report import report
from secateur.tasks.stage import Product, Stage, can_pass, read
from secateur.tasks.train import train
from secateur.training.fit import DivergedError


class ResourceExhaustedError(Exception):
    """As TensorFlow's, which is known by its name alone."""


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (StoreError("busy", transient=True), True),
        (StoreError("read-only"), False),
        (DownloadError("no network"), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (TimeoutError("slow"), True),
        (OSError(errno.EIO, "input/output error"), True),
        (BlockingIOError(errno.EAGAIN, "again"), True),
        (OSError(errno.ENOSPC, "disk full"), False),
        (OSError(errno.EDQUOT, "quota"), False),
        (OSError(errno.EROFS, "read-only"), False),
        (OSError(errno.ENAMETOOLONG, "name too long"), False),
        (OSError(errno.ELOOP, "too many links"), False),
        (FileNotFoundError(errno.ENOENT, "no such file"), False),
        (FileNotFoundError("no such file"), False),
        (PermissionError(errno.EACCES, "denied"), False),
        (NotADirectoryError(errno.ENOTDIR, "a file"), False),
        (IsADirectoryError(errno.EISDIR, "a folder"), False),
        (FileExistsError(errno.EEXIST, "in the way"), False),
        (MemoryError(), True),
        (ResourceExhaustedError("out of memory"), True),
        (ValueError("a bad parameter"), False),
        (DivergedError("nan in epoch 3"), False),
        (TypeError("a mistake"), False),
        (ImportError("no such package"), False),
    ],
    ids=repr,
)
def test_what_can_pass_is_tried_again(error, passes):
    assert can_pass(None, None, Failed(data=error)) is passes


@pytest.mark.parametrize(
    "stage", [load_data, train, importance, prune, fine_tune, evaluate, explain]
)
def test_every_stage_waits_longer_from_try_to_try_with_jitter(stage):
    assert stage.task.retries == 3
    assert list(stage.task.retry_delay_seconds) == [1, 2, 4]
    assert stage.task.retry_jitter_factor > 0
    assert stage.task.retry_condition_fn is can_pass


def test_the_report_is_tried_again_too():
    assert (report.retries, report.retry_condition_fn) == (2, can_pass)
    assert list(report.retry_delay_seconds) == [1, 2]
    assert report.retry_jitter_factor > 0


class Work:
    """The function of a stage that counts its calls, and fails as often as it is told."""

    __name__ = "evaluate"  # a stage is named as a file in `tasks`

    def __init__(self):
        self.calls = 0
        self.errors = []

    def __call__(self, build, number: int = 1):
        self.calls += 1
        (build.directory / "half.txt").write_text("half")
        if self.errors:
            raise self.errors.pop(0)
        (build.directory / "number.txt").write_text(str(number))
        return Product(digest_of(number % 10), {"notices": [f"number {number}"]})


@pytest.fixture
def work(monkeypatch, prefect_server):
    monkeypatch.setattr(stage_module, "import_tensorflow", lambda: None)
    logging.getLogger("prefect").setLevel(logging.CRITICAL)
    return Work()


@pytest.fixture
def stage(work):
    """A stage of that work that waits for nothing between two tries."""

    def evaluate(build, number: int = 1):
        return work(build, number)

    made = Stage("evaluate", evaluate, None)
    made.task = made.task.with_options(retry_delay_seconds=[0, 0, 0], retry_jitter_factor=0)
    return made


def _in_flow(stage, **arguments):
    """The final state of the stage's task in a flow."""

    @flow
    def one():
        state = stage.task(**arguments, return_state=True)
        return [state]

    return one()[0]


def test_a_result_is_built_once_and_then_found(stage, work):
    first, second = _in_flow(stage), _in_flow(stage)
    assert (first.name, second.name) == ("Completed", "Cached")
    assert work.calls == 1
    built, found = first.result(), second.result()
    assert (built.record.cached, found.record.cached) == (False, True)
    assert (built.key, built.digest) == (found.key, found.digest)
    assert built.key == stage.key(number=1) == built.record.key
    artifact = read(found)
    assert (artifact.directory / "number.txt").read_text() == "1"
    assert artifact.metadata["notices"] == ["number 1"]
    assert artifact.stage == "evaluate"


def test_a_flow_gets_the_result_itself_built_or_cached(stage):
    @flow
    def twice():
        return [stage(number=4), stage(number=4)]

    built, found = twice()
    assert (built.digest, built.record.cached) == (digest_of(4), False)
    assert (found.digest, found.record.cached) == (digest_of(4), True)


def test_nothing_is_imported_for_a_result_that_is_there(stage, monkeypatch):
    _in_flow(stage)
    monkeypatch.setattr(stage_module, "import_tensorflow", lambda: pytest.fail("imported"))
    assert _in_flow(stage).name == "Cached"


def test_it_is_looked_up_without_a_run(stage):
    assert stage.find(number=3) is None
    built = _in_flow(stage, number=3).result()
    assert stage.find(number=3).key == built.key
    assert stage.find(number=4) is None


def test_refresh_builds_again(stage, work):
    for _ in range(2):
        assert _in_flow(stage, refresh=True).name == "Completed"
    with temporary_settings({PREFECT_TASKS_REFRESH_CACHE: True}):
        assert _in_flow(stage).name == "Completed"
    assert work.calls == 3
    assert _in_flow(stage).name == "Cached"


def test_a_damaged_result_is_built_again(stage, work):
    built = _in_flow(stage).result()
    (read(built).directory / "number.txt").write_text("2")
    again = _in_flow(stage)
    assert (again.name, work.calls) == ("Completed", 2)
    assert (read(again.result()).directory / "number.txt").read_text() == "1"


def test_what_can_pass_is_tried_until_it_has_passed(stage, work):
    work.errors = [OSError(errno.EIO, "input/output error"), StoreError("busy", transient=True)]
    state = _in_flow(stage)
    assert (state.is_completed(), work.calls) == (True, 3)
    assert sorted(path.name for path in read(state.result()).directory.iterdir()) == [
        "half.txt",
        "number.txt",
    ]


def test_three_times_is_enough(stage, work):
    work.errors = [OSError(errno.EIO, "input/output error")] * 9
    state = _in_flow(stage)
    assert (state.is_failed(), work.calls) == (True, 4)
    with pytest.raises(OSError, match="input/output error"):
        state.result()


@pytest.mark.parametrize(
    "error", [ValueError("bad"), DivergedError("nan in epoch 2"), OSError(errno.ENOSPC, "full")]
)
def test_what_lasts_fails_at_once_and_leaves_nothing(error, stage, work):
    work.errors = [error]
    state = _in_flow(stage)
    assert (state.is_failed(), work.calls) == (True, 1)
    assert stage.find(number=1) is None
    assert [path for path in (open_store().root / "tmp").rglob("*") if path.is_file()] == []


def test_subject_and_round_label_a_run_and_leave_the_key_alone(stage):
    state = _in_flow(stage, subject="pruned", round=2)
    record = state.result().record
    assert (record.name, record.subject, record.round) == ("evaluate", "pruned", 2)
    assert record.key == stage.key(number=1)
    assert record.seconds >= 0
    with get_client(sync_client=True) as client:
        run = client.read_task_run(state.state_details.task_run_id)
    assert run.name == "evaluate-pruned-2"


def test_displays_hear_of_it(stage, monkeypatch):
    class Display:
        heard: list = []  # noqa: RUF012

        def finished(self, record):
            self.heard.append((record.name, record.cached))

    monkeypatch.setattr(stage_module, "displays", [Display()])
    _in_flow(stage)
    _in_flow(stage)
    assert Display.heard == [("evaluate", False), ("evaluate", True)]
    assert stage_module.displays is not displays


def test_prefect_keeps_a_reference_in_json(stage):
    """The state that Prefect stores holds what tasks exchange, never a model."""
    state = _in_flow(stage)
    record = state.result().model_dump(mode="json")
    assert set(record) == {"key", "digest", "uri", "record"}
    assert stage.task.result_serializer == "json"
