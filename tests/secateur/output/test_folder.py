"""Which folders can be output folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from secateur.output import OutputFolder, locate
from secateur.output.folder import check_folder


@pytest.mark.parametrize("text", ["", " ", "\t\n", "s3://bucket/out", "file:///tmp/out", "a\0b"])
def test_texts_that_are_no_folder_are_refused(text):
    with pytest.raises(ValidationError, match=r"give (one|a folder)"):
        TypeAdapter(OutputFolder).validate_python(text)
    assert TypeAdapter(OutputFolder).validate_python("out") == Path("out")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        *(
            (place, "whole machine")
            for place in ("/", "/home", "/tmp", "/var", "/opt", "//", "/a/..")
        ),
        *((place, "the system's") for place in ("/etc", "/usr", "/usr/share/x", "/proc/x", "/dev")),
        *(
            (place, "the system's")
            for place in ("/bin", "/lib/x", "/boot", "/sys/x", "/usr/local/lib")
        ),
        *((place, "home folder") for place in ("~", "~/", "~root", "~/x/..", "~/../here")),
    ],
)
def test_folders_of_everybody_are_refused(place, why, tmp_path, monkeypatch):
    home = tmp_path / "here"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(ValueError, match=f"^output is .+, which is .*{why}.*; give a folder"):
        check_folder(Path(place))


def test_folders_in_them_that_are_meant_for_others_are_not(monkeypatch, tmp_path):
    from secateur.output.folder import _not_for_results

    monkeypatch.setenv("HOME", str(tmp_path))
    for place in (
        "/usr/src/app/out",
        "/usr/local/airflow/out",
        "/dev/shm/out",
        "/var/lib/mine/out",
    ):
        assert _not_for_results(Path(place)) is None
    assert check_folder(tmp_path / "out" / "deep") == tmp_path / "out" / "deep"
    assert (tmp_path / "out" / "deep").is_dir()


def test_links_to_them_are_refused_too(tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    for place in (tmp_path / "link", tmp_path / "link" / "results"):
        with pytest.raises(ValueError, match=r"which is the system's \(/etc\)"):
            check_folder(place)
    (tmp_path / "here").symlink_to(tmp_path / "there")
    with pytest.raises(ValueError, match=r"a link to .*, where nothing is"):
        check_folder(tmp_path / "here")
    (tmp_path / "there").mkdir()
    assert check_folder(tmp_path / "here") == tmp_path / "there"
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(ValueError, match=r"^output is"):
        check_folder(tmp_path / "round")


def test_the_home_of_somebody_unknown_is_refused():
    with pytest.raises(ValueError, match="there is no home folder '~nosuchuser'"):
        locate(Path("~nosuchuser/out"))


def test_what_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"which is a file; give a folder\.$"):
        check_folder(tmp_path / "file")
    with pytest.raises(ValueError, match=r"cannot be written \(Not a directory\)"):
        check_folder(tmp_path / "file" / "below")
    with pytest.raises(ValueError, match=r"cannot be written \(File name too long\)"):
        check_folder(tmp_path / ("a" * 300))


READ_ONLY = """
import os, sys
from pathlib import Path
from secateur.output.folder import check_folder
os.setuid(65534) if os.geteuid() == 0 else None
try:
    check_folder(Path(sys.argv[1]))
except ValueError as error:
    print(error)
"""


def test_a_folder_without_the_right_to_write_is_refused(tmp_path):
    place = tmp_path / "out"
    place.mkdir(mode=0o555)
    for above in place.parents:  # whoever it is may come to it
        if above.is_relative_to("/tmp/pytest-of-root"):
            above.chmod(above.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(place)], capture_output=True, text=True, timeout=60
    )
    assert "cannot be written (Permission denied); give another folder." in done.stdout, done.stderr
    assert os.listdir(place) == []


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    import errno

    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(ValueError, match="No space left on device"):
        check_folder(tmp_path / "out")
