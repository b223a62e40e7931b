"""A file's hash is that of its content, whatever its dates say, and it is read only once."""

import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from secateur.store import content
from secateur.store.content import content_hash, content_hashes

SIZE = 300_000


def _sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def file(tmp_path):
    """A file that is larger than what is hashed each time, and rested."""
    path = tmp_path / "data.bin"
    path.write_bytes(np.random.default_rng(0).bytes(SIZE))
    return path


@pytest.fixture
def rested(monkeypatch):
    """Files need not rest for two seconds before their hashes are remembered."""
    monkeypatch.setattr(content, "_SETTLED_NS", -(10**12))


@pytest.fixture
def reads(monkeypatch):
    """The files that were read as a whole."""
    read = []
    own = content.hash_file

    def counted(path):
        read.append(path.name)
        return own(path)

    monkeypatch.setattr(content, "hash_file", counted)
    return read


def test_a_file_is_read_once(file, rested, reads):
    assert content_hash(file) == content_hash(file) == _sha(file)
    assert reads == ["data.bin"]


def test_a_file_that_was_just_written_may_change_and_is_not_remembered(file, reads):
    content_hash(file)
    content_hash(file)
    assert len(reads) == 2


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 16) + 1, 3 << 16])
def test_any_size(size, tmp_path, rested):
    path = tmp_path / "data.bin"
    path.write_bytes(np.random.default_rng(size).bytes(size))
    assert content_hash(path) == content_hash(path) == _sha(path)


@pytest.mark.parametrize("place", [0, SIZE // 2, SIZE - 1, SIZE // 4])
def test_a_changed_byte_is_noticed_with_the_old_date_and_size(place, file, rested, reads):
    before = file.stat()
    first = content_hash(file)
    time.sleep(0.02)  # the date of the inode's change moves on
    with file.open("r+b") as opened:
        opened.seek(place)
        byte = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte[0] ^ 255]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (SIZE, before.st_mtime_ns)
    assert content_hash(file) == _sha(file) != first
    assert len(reads) == 2


def test_the_sample_tells_where_no_date_does(file, rested, monkeypatch):
    monkeypatch.setattr(content, "_mark", lambda status: str(status.st_size))
    first = content_hash(file)
    for place in (0, SIZE // 2, SIZE - 1):
        with file.open("r+b") as opened:
            opened.seek(place)
            opened.write(b"\0\1"[place % 2 :][:1] * 1)
        assert content_hash(file) == _sha(file)
    assert content_hash(file) != first


def test_another_file_at_the_same_path_is_noticed(file, tmp_path, rested):
    before, first = file.stat(), content_hash(file)
    other = tmp_path / "other.bin"
    other.write_bytes(np.random.default_rng(1).bytes(SIZE))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert content_hash(file) == _sha(file) != first


_WRITER = """
import sys
from pathlib import Path
from secateur.store import content
content._SETTLED_NS = -(10**12)
content._TOGETHER = 1
for _ in range(5):
    print(content.content_hashes(sorted(Path(sys.argv[1]).iterdir())))
"""


def test_several_processes_remember_at_the_same_time(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.bin").write_bytes(np.random.default_rng(number).bytes(70_000))
    wanted = str([_sha(path) for path in sorted(folder.iterdir())])
    command = [sys.executable, "-c", _WRITER, str(folder)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for run in runs:
        assert set(run.communicate()[0].splitlines()) == {wanted}
        assert run.returncode == 0


@pytest.mark.parametrize("harm", ["damaged", "a folder", "not to be written"])
def test_what_cannot_be_remembered_is_read(harm, file, tmp_path, rested, monkeypatch):
    store = tmp_path / "other_store"
    store.mkdir()
    monkeypatch.setenv("SECATEUR_STORE", str(store))
    if harm == "damaged":
        (store / content.FILE).write_bytes(b"no database" * 1000)
    elif harm == "a folder":
        (store / content.FILE).mkdir()
    else:
        monkeypatch.setenv("SECATEUR_STORE", str(file))  # a file is no folder
    assert content_hashes([file, file]) == [_sha(file)] * 2


def test_damaged_memory_is_made_anew(file, tmp_path, rested, reads):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / content.FILE).write_bytes(b"no database" * 1000)
    for _ in range(4):
        content_hash(file)
    assert len(reads) < 4


def test_a_store_at_a_url_leaves_the_memory_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SECATEUR_STORE", "s3://bucket/prefix")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert content._folder() == tmp_path / "secateur"
