"""Results take their places all or none: real kills, and errors, at every step."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from secateur.output import replace
from tests.secateur.output import kills
from tests.secateur.output.kills import NEW, OLD, STEPS, writer

ROOT = Path(__file__).parents[3]
MINE = {"mine.txt": "mine", "tensorboard/mine.txt": "mine, among the results"}
HIDDEN = (".secateur.json", ".secateur.lock")


def content(folder: Path) -> dict[str, str]:
    """The files that people see."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_text() for name, path in names.items() if not name.startswith(".secat")}


def write(folder: Path, files: dict[str, str], command: str = "prune", last: str = "report.json"):
    replace(folder, command, writer(files), last=last)


def told(folder: Path) -> dict:
    return json.loads((folder / ".secateur.json").read_text())


def test_the_manifest_tells_the_new_files_by_their_digests(tmp_path):
    write(tmp_path, OLD)
    writer(MINE)(tmp_path)
    write(tmp_path, NEW)
    assert content(tmp_path) == {**NEW, **MINE}
    digests = {name: sha256(text.encode()).hexdigest() for name, text in NEW.items()}
    assert told(tmp_path)["runs"] == {"prune": digests}
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == [HIDDEN[0]]


def test_each_command_has_results_of_its_own(tmp_path):
    write(tmp_path, OLD)
    write(tmp_path, {"search.json": "s", "model.keras": "found"}, "search", "search.json")
    assert content(tmp_path) == {**OLD, "search.json": "s", "model.keras": "found"}
    assert "model.keras" not in told(tmp_path)["runs"]["prune"]
    write(tmp_path, NEW)
    assert content(tmp_path) == {**NEW, "search.json": "s"}
    assert told(tmp_path)["runs"]["search"].keys() == {"search.json"}


def _stopped(base: Path, how: str, events: tuple[str, ...]) -> list[Path]:
    """The folders that children left, each stopped one step later."""
    write(base / "start", OLD)
    writer(MINE)(base / "start")
    arguments = [sys.executable, "-m", kills.__name__, str(base), how, *events]
    done = subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    folders = [base / f"{step:03d}" for step in range(1, int(done.stdout) + 1)]
    assert len(folders) > len(NEW) + 2
    return folders


def _check_between(folder: Path) -> str:
    """Whatever the moment: each file is of one result, and the manifest says of which."""
    found = content(folder)
    assert {name: found.pop(name) for name in MINE} == MINE
    digests = {name: sha256(text.encode()).hexdigest() for name, text in found.items()}
    manifest = told(folder)
    if (under_way := manifest.get("writing")) is None:
        assert manifest["runs"] == {"prune": digests}
        assert found in (OLD, NEW)
        return "old" if found == OLD else "new"
    for name, digest in digests.items():
        assert digest in (under_way["replaced"].get(name), under_way["files"].get(name))
    shared = OLD.keys() & NEW.keys() - {"report.json"}
    assert shared <= found.keys()  # no name is ever without a file
    if (report := found.get("report.json")) is not None:
        assert found in ({**OLD, "report.json": report}, {**NEW, "report.json": report})
    return "between"


def _check_mended(folder: Path) -> None:
    """The next run, here one of another command, finds one result or the other."""
    write(folder, {"sensitivity.json": "s"}, "sensitivity", "sensitivity.json")
    found = content(folder)
    assert found.pop("sensitivity.json") == "s"
    assert found in ({**OLD, **MINE}, {**NEW, **MINE})
    assert told(folder).get("writing") is None
    assert [p for p in folder.iterdir() if p.name.startswith(".secateur-")] == []
    write(folder, OLD)
    assert content(folder) == {**OLD, **MINE, "sensitivity.json": "s"}


@pytest.mark.parametrize("events", [("os.rename",), pytest.param(STEPS, marks=pytest.mark.slow)])
def test_after_a_kill_at_any_step_there_is_the_old_result_or_the_new_one(events, tmp_path):
    states = []
    for folder in _stopped(tmp_path, "kill", events):
        states.append(_check_between(folder))
        _check_mended(folder)
    first, last = states.index("between"), len(states) - states[::-1].index("between")
    assert set(states[:first]) == {"old"}
    assert set(states[first:last]) == {"between"}
    assert set(states[last:]) == {"new"}


@pytest.mark.parametrize("events", [("os.rename",), pytest.param(STEPS, marks=pytest.mark.slow)])
def test_after_an_error_at_any_step_the_old_result_is_there(events, tmp_path):
    for folder in _stopped(tmp_path, "error", events)[:-1]:
        assert _check_between(folder) in ("old", "new")  # new: where only tidying failed
        _check_mended(folder)


@pytest.mark.slow
def test_a_kill_while_an_error_is_mended_can_be_mended_too(tmp_path):
    for folder in _stopped(tmp_path, "both", STEPS):
        _check_between(folder)
        _check_mended(folder)


def _killed_between(tmp_path: Path) -> Path:
    """A folder in which a run was killed with some of its files in their places."""
    folders = _stopped(tmp_path, "kill", ("os.rename",))
    found = [f for f in folders if content(f)["model.keras"] == NEW["model.keras"]]
    return next(f for f in found if content(f)["report.md"] == OLD["report.md"])


def test_what_the_user_did_after_a_kill_is_respected(tmp_path):
    folder = _killed_between(tmp_path)
    (folder / "report.md").write_text("mine now")
    with pytest.raises(ValueError, match=r"'report.md' where results would be written, which was"):
        write(folder, OLD)
    assert content(folder)["report.md"] == "mine now"
    (folder / "report.md").unlink()
    _check_mended(folder)


def test_a_workspace_that_was_removed_after_a_kill_leaves_what_is_whole(tmp_path):
    folder = _killed_between(tmp_path)
    for each in folder.glob(".secateur-*"):
        shutil.rmtree(each)
    write(folder, NEW)
    found = content(folder)
    assert {name: found[name] for name in NEW} == NEW
