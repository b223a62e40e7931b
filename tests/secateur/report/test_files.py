"""The output folder: each file whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from secateur.output import OutputError
from secateur.report.card import to_card
from secateur.report.files import write_results
from secateur.report.markdown import to_markdown
from secateur.report.page import to_html
from secateur.report.schema import Report

FILES = ["model.keras", "model_card.md", "report.html", "report.json", "report.md"]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "stored.keras"
    path.write_bytes(b"the model")
    return path


def _names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".secateur.json")


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_folder_holds_the_results_and_nothing_else(report, model, evidence, tmp_path):
    out = tmp_path / "a" / "b"
    write_results(out, report, model, evidence)
    assert _names(out) == FILES
    assert Report.model_validate_json((out / "report.json").read_text()) == report
    assert (out / "report.md").read_text() == to_markdown(report)
    assert (out / "report.html").read_text() == to_html(report, evidence)
    assert (out / "model_card.md").read_text() == to_card(report, evidence)
    assert (out / "model.keras").read_bytes() == b"the model"
    assert model.read_bytes() == b"the model"


def test_the_home_folder_is_no_folder_called_tilde(report, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_results(Path("~/out"), report, model)
    assert _names(tmp_path / "home") == ["out"]
    assert _names(tmp_path / "home" / "out") == FILES
    assert not _names(tmp_path / "here")


def test_an_earlier_run_is_replaced_and_other_files_stay(make, model, tmp_path):
    out = tmp_path / "out"
    write_results(out, make(sparsity=0.5), model)
    (out / "notes.txt").write_text("mine")
    model.write_bytes(b"another model")
    write_results(out, make(sparsity=0.9), model)
    assert _names(out) == sorted([*FILES, "notes.txt"])
    assert json.loads((out / "report.json").read_text())["sparsity"] == 0.9
    assert (out / "model.keras").read_bytes() == b"another model"
    assert (out / "notes.txt").read_text() == "mine"


def test_logs_for_tensorboard_take_the_place_of_earlier_ones(report, model, tmp_path):
    for name in ("first", "second"):
        logs = tmp_path / name / "train"
        logs.mkdir(parents=True)
        (logs / f"events.{name}").write_bytes(name.encode())
        write_results(tmp_path / "out", report, model, logs=tmp_path / name)
    assert _names(tmp_path / "out" / "tensorboard" / "train") == ["events.second"]
    assert (tmp_path / "first" / "train" / "events.first").exists()


def test_files_have_the_rights_that_the_user_gives_new_files(report, model, tmp_path):
    before = os.umask(0o027)
    try:
        write_results(tmp_path / "out", report, model)
    finally:
        os.umask(before)
    for name in FILES:
        assert (tmp_path / "out" / name).stat().st_mode & 0o777 == 0o640


def test_text_is_utf_8_whatever_the_locale(make, model, tmp_path):
    out = tmp_path / "out"
    write_results(out, make(notices=["Größe → 0"]), model)
    assert "- Größe → 0" in (out / "report.md").read_bytes().decode("utf-8")
    assert json.loads((out / "report.json").read_bytes())["notices"] == ["Größe → 0"]


@pytest.mark.parametrize("file", ["model.keras", "events", "report.html", "report.json"])
def test_a_disk_that_gets_full_leaves_the_earlier_run_whole(
    file, make, model, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    write_results(out, make(sparsity=0.5), model)
    before = _content(out)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "events").write_bytes(b"events")
    copyfile, write_text = shutil.copyfile, Path.write_text

    def full(path):
        if Path(path).name == file:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(shutil, "copyfile", lambda a, b: (full(b), copyfile(a, b)))
    monkeypatch.setattr(
        Path, "write_text", lambda self, text, **o: (full(self), write_text(self, text, **o))
    )
    with pytest.raises(OutputError) as error:
        write_results(out, make(sparsity=0.9), model, logs=tmp_path / "logs")
    assert error.value.errno == errno.ENOSPC
    assert str(error.value).startswith(
        f"The results cannot be written to {str(out)!r} (No space left on device); make room"
    )
    assert "\n" not in str(error.value)
    assert _content(out) == before
