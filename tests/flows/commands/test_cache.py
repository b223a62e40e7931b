"""`secateur cache` as users type it."""

from __future__ import annotations

import pytest

from secateur.flows.cli import main
from secateur.store import digest_of, open_store


@pytest.fixture
def artifacts():
    """Two small results in the test's own store, with their keys."""
    keys = [digest_of(name) for name in ("first", "second")]
    for key, stage in zip(keys, ("train", "prune"), strict=True):
        with open_store().build(key, stage=stage) as build:
            (build.directory / "file").write_bytes(b"x" * 1000)
            build.commit(key)
    return keys


def _flip_a_byte(key):
    path = open_store().object_folder(key) / "files" / "file"
    path.write_bytes(b"y" + path.read_bytes()[1:])


def test_ls_shows_every_result(artifacts, capsys):
    assert main(["cache", "ls"]) == 0
    out = capsys.readouterr().out
    assert all(key[:12] in out for key in artifacts)
    assert "2 results, 2.0 kB" in out


def test_ls_of_one_stage(artifacts, capsys):
    assert main(["cache", "ls", "--stage", "prune"]) == 0
    out = capsys.readouterr().out
    assert artifacts[1][:12] in out
    assert artifacts[0][:12] not in out


def test_an_empty_store_is_listed_and_verified(capsys):
    assert main(["cache", "ls"]) == 0
    assert main(["cache", "verify"]) == 0
    assert main(["cache", "gc"]) == 0
    assert "0 results" in capsys.readouterr().out


def test_verify_names_what_is_broken(artifacts, capsys):
    assert main(["cache", "verify"]) == 0
    _flip_a_byte(artifacts[0])
    assert main(["cache", "verify"]) == 1
    out = capsys.readouterr().out
    assert f"{artifacts[0][:12]} is broken" in out
    assert "1 of 2 results are whole" in out


def test_gc_removes_only_without_dry_run(artifacts, capsys):
    _flip_a_byte(artifacts[0])
    (open_store().object_folder(artifacts[0]) / "files" / "file").unlink()
    assert main(["cache", "gc", "--dry-run"]) == 0
    assert "Would remove 1 result " in capsys.readouterr().out
    assert len(list(open_store().list())) == 2
    assert main(["cache", "gc"]) == 0
    assert "Removed 1 result " in capsys.readouterr().out
    assert [entry.key for entry in open_store().list()] == [artifacts[1]]


def test_gc_down_to_a_size(artifacts, capsys):
    assert main(["cache", "gc", "--max-bytes", "1KB"]) == 0
    assert len(list(open_store().list())) == 1


def test_gc_leaves_what_a_running_flow_holds(artifacts, capsys):
    with open_store().pin("a run") as pin:
        pin.add(artifacts[0])
        assert main(["cache", "gc", "--max-bytes", "0"]) == 0
        assert "1 more are in use by running flows" in capsys.readouterr().out
        assert [entry.key for entry in open_store().list()] == [artifacts[0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--older-than", "soon"], "--older-than is 'soon'; give an age such as 30d"),
        (["--older-than=-3d"], "an age is not negative"),
        (["--max-bytes", "much"], "--max-bytes is 'much'; give a size such as"),
    ],
)
def test_bad_limits_are_refused(arguments, message, capsys):
    assert main(["cache", "gc", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_store_that_cannot_be_used_is_a_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SECATEUR_STORE", str(tmp_path / "file"))
    assert main(["cache", "ls"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("secateur cache ls: ")
    assert str(tmp_path / "file") in error
