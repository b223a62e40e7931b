"""What is refused before any work: the user's files, inputs, a second run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secateur.datasets.config import DatasetConfig
from secateur.models.config import ModelConfig
from secateur.output import Destination, replace
from secateur.output.inputs import inputs_of
from secateur.output.study import check_study
from tests.secateur.output.kills import writer

NAMES = ("report.json", "model.keras", "models")
RESULTS = {"report.json": "report", "model.keras": "model", "models/one.keras": "one"}


@pytest.fixture
def ours(tmp_path):
    """A folder that an earlier run wrote into."""
    replace(tmp_path / "ours", "prune", writer(RESULTS), last="report.json")
    return tmp_path / "ours"


def _refused(folder: Path, inputs=()) -> str:
    with pytest.raises(ValueError) as error:  # noqa: PT011  (what it says is looked at)
        Destination(folder, NAMES, tuple(inputs)).check()
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_a_new_folder_an_empty_one_and_one_with_other_files_are_taken(tmp_path, ours):
    Destination(tmp_path / "a" / "b", NAMES).check()
    (tmp_path / "a" / "b").mkdir(parents=True)
    Destination(tmp_path / "a" / "b", NAMES).check()
    assert os.listdir(tmp_path / "a" / "b") == []
    (tmp_path / "a" / "b" / "notes.txt").write_text("mine")
    Destination(tmp_path / "a" / "b", NAMES).check()
    (ours / "models" / "mine.txt").write_text("mine")
    Destination(ours, NAMES).check()
    assert os.listdir(tmp_path / "a" / "b") == ["notes.txt"]


def test_what_it_made_for_nothing_is_gone_again(tmp_path):
    def destination(path):
        return Destination(path, NAMES)

    def fails():
        with destination(tmp_path / "a" / "b").claim():
            assert (tmp_path / "a" / "b").is_dir()
            raise ZeroDivisionError

    destination(tmp_path / "a" / "b").check()
    with pytest.raises(ZeroDivisionError):
        fails()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    destination(tmp_path / "empty").check()
    with destination(tmp_path / "a" / "c").claim():
        (tmp_path / "a" / "c" / "x").write_text("")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "c", "empty", "x"]


def test_a_foreign_file_or_folder_is_refused_by_name(tmp_path):
    (tmp_path / "model.keras").write_text("mine")
    (tmp_path / "models").mkdir()
    said = _refused(tmp_path)
    assert "'model.keras' and 'models' where results would be written" in said
    assert "not from an earlier run; move them away" in said


def test_a_result_that_was_edited_is_the_users(ours):
    (ours / "model.keras").write_text("trained on")
    assert "'model.keras' where results would be written, which was changed" in _refused(ours)
    (ours / "model.keras").unlink()
    (ours / "models" / "one.keras").write_text("trained on")
    assert "'models/one.keras' where results" in _refused(ours)
    (ours / "models" / "one.keras").unlink()
    Destination(ours, NAMES).check()


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_links_in_the_place_of_results_are_refused(target, ours, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "one.keras").write_text("one")
    (ours / "models" / "one.keras").unlink()
    (ours / "models").rmdir()
    (ours / "models").symlink_to(tmp_path / target)
    assert "link" in _refused(ours)
    with pytest.raises(ValueError, match="link"):
        replace(ours, "prune", writer(RESULTS), last="report.json")
    (ours / "models").unlink()
    (ours / "model.keras").rename(tmp_path / "moved.keras")
    (ours / "model.keras").symlink_to(tmp_path / "moved.keras" if target == "elsewhere" else "no")
    assert "'model.keras' where results would be written, which is a link" in _refused(ours)
    with pytest.raises(ValueError, match="link"):
        replace(ours, "prune", writer(RESULTS), last="report.json")
    assert (tmp_path / "moved.keras").read_text() == "model"
    assert (tmp_path / "elsewhere" / "one.keras").read_text() == "one"


def test_what_appears_while_a_run_computes_is_not_lost_either(ours):
    def write(folder: Path) -> None:
        writer({**RESULTS, "models/two.keras": "two"})(folder)
        (ours / "models" / "two.keras").write_text("mine")

    with pytest.raises(ValueError, match=r"'models/two\.keras' where results would be written"):
        replace(ours, "prune", write, last="report.json")
    assert (ours / "models" / "two.keras").read_text() == "mine"
    assert sorted(os.listdir(ours)) == [".secateur.json", "model.keras", "models", "report.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}x",
        "[]",
        '{"format": "other", "version": 1}',
        '{"format":"secateur output","version":2}',
    ]
    + [f'{{"runs": {{"prune": {{"{path}": "0"}}}}}}' for path in ("../x", "/etc/x", "a/../../b")],
)
def test_a_manifest_that_cannot_be_read_makes_nothing_ours(text, ours):
    (ours / ".secateur.json").write_text(text)
    assert "no list of results that this version can read" in _refused(ours)


def test_a_link_or_a_folder_as_manifest_is_refused(ours, tmp_path):
    (ours / ".secateur.json").rename(tmp_path / "manifest")
    (ours / ".secateur.json").symlink_to(tmp_path / "manifest")
    assert "can read" in _refused(ours)
    (ours / ".secateur.json").unlink()
    (ours / ".secateur.json").mkdir()
    assert "can read" in _refused(ours)


def test_inputs_where_results_go_are_refused(ours, tmp_path):
    model = str(ours / "model.keras")
    assert _refused(ours, [("model.path", model)]).startswith(
        f"model.path is {model!r}, where the result 'model.keras' would be written"
    )
    (tmp_path / "link.keras").symlink_to(model)
    assert "model.path is" in _refused(ours, [("model.path", str(tmp_path / "link.keras"))])
    inside = str(ours / "models" / "one.keras")
    assert "result 'models'" in _refused(ours, [("transfer.source", inside)])
    (tmp_path / "here").symlink_to(ours)
    assert "model.path" in _refused(tmp_path / "here", [("model.path", model)])
    Destination(ours, NAMES, (("model.path", str(ours / "other.keras")),)).check()


def test_an_output_among_the_data_is_refused(tmp_path):
    (tmp_path / "data" / "cats").mkdir(parents=True)
    given = [("dataset.path", str(tmp_path / "data"))]
    for place in (tmp_path / "data", tmp_path / "data" / "out"):
        assert "lies in what dataset.path names" in _refused(place, given)
    Destination(tmp_path, NAMES, tuple(given)).check()


def test_an_output_in_the_store_is_refused(tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()  # that of the tests
    assert "lies in what SECATEUR_STORE names" in _refused(tmp_path / "store" / "out")
    monkeypatch.setenv("SECATEUR_STORE", "s3://bucket/store")
    Destination(tmp_path / "store" / "out", NAMES).check()


def test_every_parameter_that_names_a_file_is_an_input(tmp_path):
    model = ModelConfig(application="MobileNetV2", weights="w.h5")
    data = DatasetConfig(name="mnist/x:3.0.1", data_dir="d")
    assert inputs_of(model, data) == [
        ("model.weights", "w.h5"),
        ("dataset.data_dir", os.path.join("d", "mnist")),
    ]
    assert inputs_of(ModelConfig(path="a.keras"), DatasetConfig(path="b.csv")) == [
        ("dataset.path", "b.csv"),
        ("model.path", "a.keras"),
    ]
    assert inputs_of(ModelConfig(preset="p"), DatasetConfig())[0] == ("model.preset", "p")


def test_a_file_that_is_no_study_is_not_appended_to(tmp_path):
    check_study(tmp_path / "none.log")
    (tmp_path / "study.log").write_text('{"op_code": 0, "worker_id": "w", "study_name": "s"}\n')
    check_study(tmp_path / "study.log")
    for text in ("my notes\n", '{"a": 1}\n', "[1]\n"):
        (tmp_path / "notes.txt").write_text(text)
        with pytest.raises(ValueError, match="which is no study of an earlier search"):
            check_study(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="which is no study"):
        check_study(tmp_path)


HOLDER = """
import sys, time
from pathlib import Path
from secateur.output import Destination
with Destination(Path(sys.argv[1]), ("report.json",)).claim():
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_run_is_refused_until_the_first_ends_or_dies(tmp_path):
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        assert "which another run is writing into; wait until it has ended" in _refused(tmp_path)
        with pytest.raises(ValueError, match="another run is writing into"):
            replace(tmp_path, "prune", writer(RESULTS), last="report.json")
    finally:
        first.kill()
        first.wait()
    Destination(tmp_path, NAMES).check()
    assert os.listdir(tmp_path) == []


def test_runs_in_threads_of_one_process_keep_each_other_out(tmp_path):
    place, said = Destination(tmp_path, NAMES), []

    def second() -> None:
        try:
            place.check()
        except ValueError as error:
            said.append(str(error))

    with place.claim():
        place.check()  # the run itself comes again
        replace(tmp_path, "prune", writer(RESULTS), last="report.json")
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "another run is writing into" in said[0]
    place.check()


def test_many_at_once_never_mix(tmp_path):
    code = (
        "import sys; from pathlib import Path; from secateur.output import replace\n"
        "from tests.secateur.output.kills import writer\n"
        "for turn in range(15):\n"
        "    text = f'{sys.argv[2]} {turn}'\n"
        "    try: replace(Path(sys.argv[1]), 'prune',"
        " writer({'report.json': text, 'model.keras': text, 'models/one': text}), 'report.json')\n"
        "    except ValueError: pass\n"
    )
    root = Path(__file__).parents[3]
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out"), str(n)], cwd=root)
        for n in range(3)
    ]
    deadline = time.monotonic() + 120
    for run in runs:
        assert run.wait(deadline - time.monotonic()) == 0
    files = ("report.json", "model.keras", "models/one")
    assert len({(tmp_path / "out" / name).read_text() for name in files}) == 1
    Destination(tmp_path / "out", NAMES).check()
