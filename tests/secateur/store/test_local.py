"""The store in a folder: whole or not there."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from secateur.store import Reference, StoreError, digest_of, manifest, open_store
from secateur.store.local import LocalStore

KEY = digest_of("a key")
OTHER = digest_of("another key")


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


def put(store, key=KEY, text="content", digest="d"):
    with store.build(key, stage="train", inputs={"from": [1, 2]}) as build:
        assert build.artifact is None
        (build.directory / "sub").mkdir()
        (build.directory / "empty").mkdir()
        (build.directory / "model.bin").write_text(text)
        (build.directory / "sub" / "notes.txt").write_text("notes")
        (build.directory / "nothing.txt").touch()
        build.commit(digest=digest, metadata={"accuracy": 0.5})
    return build.artifact


def leftovers(store):
    return sorted(path.name for path in (store.root / "tmp").iterdir())


def test_what_is_stored_is_read_back(store):
    assert store.get(KEY) is None
    assert not store.root.exists()
    built = put(store)
    read = open_store(store.root).get(KEY)
    assert read == built
    assert (read.directory / "model.bin").read_text() == "content"
    assert (read.key, read.digest, read.stage) == (KEY, "d", "train")
    assert (read.metadata, read.inputs) == ({"accuracy": 0.5}, {"from": [1, 2]})
    assert read.bytes == len("content") + len("notes")
    assert read.uri.startswith("file://")
    assert read.seconds >= 0
    assert not (read.directory / "empty").exists()
    assert leftovers(store) == []
    assert not store.partial_folder(KEY).exists()


def test_the_second_build_finds_it(store):
    first = put(store)
    with store.build(KEY) as build:
        assert build.artifact == first
        with pytest.raises(StoreError, match="not open"):
            _ = build.directory


def test_references(store):
    artifact = put(store)
    assert store.open(artifact.reference) == artifact
    with pytest.raises(StoreError, match="other content"):
        store.open(Reference(key=KEY, digest="e", uri=""))
    with pytest.raises(StoreError, match="not \\(or no longer\\) whole"):
        store.open(Reference(key=OTHER, digest="d", uri=""))
    with pytest.raises(ValueError, match="frozen"):
        artifact.reference.key = "x"


def test_a_failed_build_leaves_only_its_partial_folder(store):
    def fail():
        with store.build(KEY) as build:
            (build.directory / "half").write_text("half")
            (build.partial / "checkpoint").write_text("epoch 3")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert store.get(KEY) is None
    assert leftovers(store) == []
    with store.build(KEY) as build:
        assert list(build.directory.iterdir()) == []
        assert (build.partial / "checkpoint").read_text() == "epoch 3"
        (build.directory / "f").write_text("x")
        build.commit("d")
    assert not store.partial_folder(KEY).exists()


def test_without_commit_nothing_is_stored(store):
    with store.build(KEY) as build:
        (build.directory / "half").write_text("half")
    assert store.get(KEY) is None
    assert leftovers(store) == []


def test_a_build_must_hold_files_and_no_links(store, tmp_path):
    with store.build(KEY) as build:
        with pytest.raises(StoreError, match="at least one file"):
            build.commit("d")
        (build.directory / "link").symlink_to(tmp_path)
        with pytest.raises(StoreError, match="'link' is neither a file nor a folder"):
            build.commit("d")
    with (
        pytest.raises(TypeError, match="has no canonical JSON"),
        store.build(KEY, inputs={"a": {1}}),
    ):
        pytest.fail("the block must not run")


def test_builds_of_a_key_do_not_nest(store):
    with store.build(KEY), pytest.raises(StoreError, match="cannot nest"), store.build(KEY):
        pytest.fail("the block must not run")
    with store.build(KEY), store.build(OTHER) as other:
        assert other.artifact is None


FILES = ["manifest.json", "files/model.bin", "files/sub/notes.txt", "files/nothing.txt"]


def damage(path: Path, how: str) -> None:
    if how == "delete":
        path.unlink()
    elif how == "truncate":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "append":
        path.write_bytes(path.read_bytes() + b" ")
    elif how == "flip":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif how == "link":
        shutil.move(path, path.parents[5] / "moved")
        path.symlink_to(path.parents[5] / "moved")
    elif how == "add":
        path.with_name("added").write_text("")


@pytest.mark.parametrize("how", ["delete", "truncate", "append", "flip", "add", "link"])
@pytest.mark.parametrize("name", FILES)
def test_damage_is_noticed_and_mended(store, name, how, caplog):
    artifact = put(store)
    path = artifact.directory.parent / name
    if path.stat().st_size == 0 and how in ("truncate", "flip"):
        return
    if name == "manifest.json" and how == "link":
        return  # the same bytes by another way
    damage(path, how)
    assert store.get(KEY) is None
    assert "is broken" in caplog.text
    again = put(store)
    assert store.get(KEY) == again
    assert (again.directory / "model.bin").read_text() == "content"
    assert leftovers(store) == []


def test_every_byte_of_a_manifest_counts(store):
    artifact = put(store)
    path = artifact.directory.parent / "manifest.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << (place % 8)
        path.write_bytes(data)
        with pytest.raises(manifest.BrokenError):
            store.read(KEY)
    path.write_bytes(whole)
    assert store.get(KEY) == artifact


def test_the_artifact_of_another_key_is_not_served(store):
    put(store, KEY)
    target = store.object_folder(OTHER)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(store.object_folder(KEY), target)
    assert store.get(OTHER) is None


def test_big_files_are_hashed_again_only_when_touched(store, monkeypatch):
    monkeypatch.setattr(manifest, "BIG_FILE", 4)
    monkeypatch.setattr(manifest, "_SETTLED_NS", 0)
    artifact = put(store, text="a big file")
    hashed = []
    original = manifest.hash_file
    monkeypatch.setattr(manifest, "hash_file", lambda p: hashed.append(p.name) or original(p))
    assert store.get(KEY) == artifact
    assert "model.bin" in hashed
    hashed.clear()
    assert store.get(KEY) == artifact
    assert hashed == ["nothing.txt"]
    path = artifact.directory / "model.bin"
    status = path.stat()
    path.write_text("a bIg file")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the change time still shows it
    assert store.get(KEY) is None


def test_a_damaged_record_of_big_files_only_costs_time(store, monkeypatch):
    monkeypatch.setattr(manifest, "BIG_FILE", 4)
    monkeypatch.setattr(manifest, "_SETTLED_NS", 0)
    artifact = put(store, text="a big file")
    store.get(KEY)
    record = store.verified_file(KEY)
    for text in ("", "[]", "{}", json.dumps({"model.bin": [1, 2]})):
        record.write_text(text)
        assert store.get(KEY) == artifact
    record.write_text(record.read_text())
    (artifact.directory / "model.bin").write_text("A big file")
    assert store.get(KEY) is None


# ---- what cannot work --------------------------------------------------------------------------


def test_a_full_disk_while_building(store):
    def fill():
        with store.build(KEY) as build:
            (build.directory / "half").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match=r"disk is full; free some space") as caught:
        fill()
    assert not caught.value.transient
    assert str(store.root) in str(caught.value)
    assert leftovers(store) == []
    assert store.get(KEY) is None


@pytest.mark.parametrize(
    ("number", "transient"), [(errno.ENOSPC, False), (errno.EROFS, False), (errno.EIO, True)]
)
@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir"])
def test_errors_of_the_disk_leave_nothing_half_written(store, monkeypatch, call, number, transient):
    put(store, OTHER)

    def broken(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, broken)
        patch.setattr(Path, call, broken, raising=False)
        with pytest.raises(StoreError) as caught:
            put(store)
    assert caught.value.transient is transient
    assert pickle.loads(pickle.dumps(caught.value)).transient is transient
    assert leftovers(store) == []
    assert store.get(KEY) is None
    assert put(store)


def test_an_error_of_somebody_elses_file_stays_what_it_is(store, tmp_path):
    with pytest.raises(FileNotFoundError), store.build(KEY):
        (tmp_path / "elsewhere").read_text()


def test_a_store_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file, not a folder"):
        open_store(tmp_path / "file")
    with pytest.raises(StoreError, match="is a file, not a folder"):
        put(open_store(tmp_path / "file" / "below"))


def test_keys_are_digests(store):
    for key in ("", "../" + KEY[3:], KEY.upper(), KEY + "0", None):
        with pytest.raises(ValueError, match="64 lower-case hex digits"):
            store.get(key)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root to be two users")
def test_no_permission():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        store = open_store(Path(folder) / "store")
        artifact = put(store)
        code = (
            "import os, sys; from secateur.store import StoreError, locks, open_store\n"
            "os.setuid(65534); store = open_store(sys.argv[1])\n"
            "print(store.get(sys.argv[2]).digest)\n"
            "try:\n with store.build(sys.argv[3]): pass\n"
            "except StoreError as error: print(error.transient, error)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, store.root, KEY, OTHER],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
        )
    assert run.stdout.startswith(f"{artifact.digest}\nFalse The store cannot"), run.stderr
    assert "permission is denied" in run.stdout


# ---- which store -------------------------------------------------------------------------------


def test_the_location_comes_from_the_environment_then_from_dotenv(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"OTHER=1\nSECATEUR_STORE={tmp_path / 'two'}\n")
    monkeypatch.setenv("SECATEUR_STORE", str(tmp_path / "one"))
    assert open_store().location == str(tmp_path / "one")
    monkeypatch.delenv("SECATEUR_STORE")
    assert open_store().location == str(tmp_path / "two")
    (tmp_path / ".env").unlink()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    location = Path(open_store().location)
    assert location.name == "store"
    assert "secateur" in location.parts


def test_locations(tmp_path):
    assert open_store(tmp_path.as_uri()).location == str(tmp_path)
    assert isinstance(open_store(tmp_path), LocalStore)
    with pytest.raises(StoreError, match="needs two slashes"):
        open_store("s3:/bucket/prefix")
    with pytest.raises(StoreError, match="is empty"):
        open_store(" ")
