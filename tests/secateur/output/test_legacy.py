"""Folders of versions without a manifest, as those versions wrote them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from secateur.output import Destination, names_of, replace
from secateur.output.legacy import recognised
from tests.secateur.output.kills import writer

EVENTS = "tensorboard/train/validation/events.out.tfevents.1.host.1.1.v2"
PRUNE = {
    "report.html": "page",
    "report.md": "page",
    "model_card.md": "card",
    "model.keras": "model",
    "model.tflite": "small",
    "saved_model/saved_model.pb": "graph",
    "saved_model/variables/variables.index": "index",
    EVENTS: "events",
}
REPORT = {
    **{key: {} for key in ("schema", "parameters", "task", "dense", "pruned", "fine_tuned")},
    **{key: [] for key in ("layers", "stages", "notices")},
    "exports": [
        {"name": "litert", "file": "model.tflite", "bytes": {"raw": 5, "gzip": 9}},
        {"name": "saved_model", "file": "saved_model", "bytes": {"raw": 10, "gzip": 9}},
    ],
}
SWEEP = {
    **{key: {} for key in ("parameters", "axes", "fronts")},
    "trials": [],
    "variants": [{"model": "models/00-a.keras"}, {"model": None}, {"model": "../x/mine.txt"}],
}


@pytest.fixture
def old(tmp_path):
    """A folder that an earlier version's `prune` wrote into."""
    folder = tmp_path / "out"
    _write(folder, {**PRUNE, "report.json": json.dumps(REPORT)})
    return folder


def _write(folder: Path, files: dict[str, str]) -> None:
    """One after another, as seconds pass."""
    for second, (name, text) in enumerate(files.items()):
        writer({name: text})(folder)
        os.utime(folder / name, (1_600_000_000 + second,) * 2)


def test_what_the_report_tells_of_is_replaced_and_nothing_else(old):
    mine = {"notes.txt": "mine", "tensorboard/mine.txt": "mine", "saved_model/mine.txt": "mine"}
    writer(mine)(old)
    assert recognised(old).files.keys() == {*PRUNE, "report.json"}
    Destination(old, names_of("prune", ("litert", "saved_model"))).check()
    replace(old, "prune", writer({"report.json": "new", "model.keras": "new"}), "report.json")
    files = {p.relative_to(old).as_posix() for p in old.rglob("*") if p.is_file()}
    assert files == {*mine, "report.json", "model.keras", ".secateur.json"}


@pytest.mark.parametrize("name", ["report.md", "model.keras", EVENTS])
def test_what_was_written_after_the_report_is_the_users(name, old):
    (old / name).write_text("mine")
    with pytest.raises(ValueError, match="where results would be written, which is not from"):
        replace(old, "prune", writer({name: "new"}), last=name)
    assert (old / name).read_text() == "mine"


def test_a_file_of_another_size_than_the_report_says_is_the_users(old):
    (old / "model.tflite").write_text("my own small model")
    os.utime(old / "model.tflite", (1_600_000_000,) * 2)  # copied with its date
    with pytest.raises(ValueError, match=r"'model\.tflite' where results"):
        Destination(old, names_of("prune", ("litert",))).check()


@pytest.mark.parametrize("name", ["encoder.json", "data.html"])
def test_what_earlier_versions_did_not_write_is_the_users(name, old):
    (old / name).write_text("mine")
    os.utime(old / name, (1_600_000_000,) * 2)
    assert name not in recognised(old).files
    with pytest.raises(ValueError, match="where results would be written, which is not from"):
        replace(old, "prune", writer({name: "new"}), last=name)
    assert (old / name).read_text() == "mine"


def test_a_sweep_names_its_models(tmp_path):
    out = tmp_path / "out"
    _write(out, {"models/00-a.keras": "a", "sweep.html": "page", "sweep.json": json.dumps(SWEEP)})
    writer({"models/mine.txt": "mine", "../x/mine.txt": "mine"})(out)
    os.utime(tmp_path / "x" / "mine.txt", (1_600_000_000,) * 2)
    assert recognised(out).files.keys() == {"models/00-a.keras", "sweep.html", "sweep.json"}
    Destination(out, names_of("sweep")).check()
    replace(out, "sweep", writer({"models/00-b.keras": "b", "sweep.json": "new"}), "sweep.json")
    assert sorted(os.listdir(out / "models")) == ["00-b.keras", "mine.txt"]
    assert (tmp_path / "x" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "text", ["{}", "[]", "[1]", "null", "no JSON", '{"stages": []}', "[" * 9999]
)
def test_a_report_of_somebody_else_makes_nothing_ours(text, tmp_path):
    _write(tmp_path, {"model.keras": "mine", "report.json": text, "sensitivity.json": text})
    assert recognised(tmp_path).files == {}
    with pytest.raises(ValueError, match=r"'report\.json' and 'model\.keras' where results"):
        Destination(tmp_path, names_of("prune")).check()


def test_links_are_not_followed(old, tmp_path):
    (old / "saved_model").rename(tmp_path / "elsewhere")
    (old / "saved_model").symlink_to(tmp_path / "elsewhere")
    (old / "report.md").unlink()
    (old / "report.md").symlink_to(tmp_path / "elsewhere" / "saved_model.pb")
    assert not [name for name in recognised(old).files if "saved_model" in name]
    with pytest.raises(ValueError, match=r"'report\.md' and 'saved_model' .* are links"):
        Destination(old, names_of("prune", ("saved_model",))).check()
