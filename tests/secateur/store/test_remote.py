"""The store at a URL: on fsspec's memory, and between processes on a folder used as a bucket."""

import contextlib
import itertools
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from secateur.store import StoreError, digest_of, lease, open_store
from secateur.store.bucket import Bucket, without_secrets
from secateur.store.remote import RemoteStore

ROOT = Path(__file__).parents[3]
KEY = digest_of("a key")
OTHER = digest_of("another key")


@pytest.fixture
def machine(tmp_path):
    """Gives one more machine that shares a store with the others."""
    url, numbers = f"memory://{uuid.uuid4().hex}/prefix", itertools.count()
    return lambda **options: RemoteStore(url, tmp_path / f"machine{next(numbers)}", **options)


def put(store, key=KEY, text="content", digest="d", refresh=False):
    with store.build(key, stage="train", inputs={"a": 1}, refresh=refresh) as build:
        assert build.artifact is None
        (build.directory / "sub").mkdir()
        (build.directory / "model.bin").write_text(text)
        (build.directory / "sub" / "notes.txt").write_text("notes")
        build.commit(digest, {"accuracy": 0.5})
    return build.artifact


def text(artifact):
    return (artifact.directory / "model.bin").read_text()


def names(store, folder="objects"):
    return sorted(store.bucket.find(folder))


def test_what_one_machine_stores_another_reads(machine):
    one, two = machine(), machine()
    assert two.get(KEY) is None
    built, read = put(one), two.get(KEY)
    assert built == one.get(KEY)
    assert read.directory != built.directory
    assert text(read) == "content"
    assert (read.directory / "sub" / "notes.txt").read_text() == "notes"
    assert (read.digest, read.stage, read.metadata) == ("d", "train", {"accuracy": 0.5})
    assert read.uri == built.uri == f"{one.location}/objects/{KEY[:2]}/{KEY}"
    assert two.open(built.reference) == read
    with two.build(KEY) as build:
        assert build.artifact == read
    assert names(one, "leases") == []


def test_a_copy_is_downloaded_once_and_again_when_damaged(machine, monkeypatch):
    one, two = machine(), machine()
    put(one)
    loads = []
    original = Bucket.download

    def download(self, name, file):
        loads.append(name)
        original(self, name, file)

    monkeypatch.setattr(Bucket, "download", download)
    artifact = two.get(KEY)
    assert two.get(KEY) == artifact
    assert len(loads) == 2
    (artifact.directory / "model.bin").write_text("damaged")
    assert text(two.get(KEY)) == "content"
    assert len(loads) == 4


@pytest.mark.parametrize("how", ["flip", "truncate", "delete"])
@pytest.mark.parametrize("which", ["manifest.json", "model.bin", "sub/notes.txt"])
def test_damage_in_the_bucket_is_noticed_and_mended(machine, which, how, caplog):
    one, two = machine(), machine()
    put(one)
    name = next(name for name in names(one) if name.endswith(which))
    data = bytearray(one.bucket.read(name))
    if how == "delete":
        one.bucket.delete(name)
    else:
        data[len(data) // 2] ^= 1
        one.bucket.write(name, bytes(data) if how == "flip" else bytes(data[:-1]))
    assert two.get(KEY) is None
    assert ("is broken" in caplog.text) is not (which == "manifest.json" and how == "delete")
    put(two)
    assert text(machine().get(KEY)) == "content"
    assert text(one.get(KEY)) == "content"


def test_a_refreshed_artifact_reaches_the_others(machine):
    one, two = machine(), machine()
    put(one, text="old", digest="old")
    assert text(two.get(KEY)) == "old"
    put(one, text="new", digest="new", refresh=True)
    assert (two.get(KEY).digest, text(two.get(KEY))) == ("new", "new")
    assert text(machine().get(KEY)) == "new"


def test_the_first_manifest_counts(machine, monkeypatch):
    """Two workers build the same key, as when a lease was lost."""
    monkeypatch.setattr(lease, "hold", lambda *a, **k: contextlib.nullcontext())
    one, two = machine(), machine()
    with one.build(KEY) as slow, two.build(KEY) as quick:
        (quick.directory / "model.bin").write_text("first")
        quick.commit("first")
        (slow.directory / "model.bin").write_text("second")
        artifact = slow.commit("second")
    assert artifact == slow.artifact
    assert (artifact.digest, text(artifact)) == ("first", "first")
    assert artifact.directory.is_relative_to(one.local.root)
    assert len(names(one)) == 2  # the slower one's upload is gone
    assert list((one.local.root / "tmp").iterdir()) == []


def test_an_upload_that_fails_leaves_nothing(machine, monkeypatch):
    one = machine()
    uploads = []
    original = Bucket.upload

    def upload(self, file, name):
        if uploads:
            raise StoreError("The line is cut; try again.", transient=True)
        uploads.append(name)
        original(self, file, name)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "upload", upload)
        with pytest.raises(StoreError) as caught:
            put(one)
    assert caught.value.transient
    assert names(one) == names(one, "leases") == []
    assert one.get(KEY) is None
    put(one)


def test_partial_stays_on_the_machine(machine):
    one, two = machine(), machine()

    def fail():
        with one.build(KEY) as build:
            (build.partial / "checkpoint").write_text("epoch 3")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with two.build(KEY) as build:
        assert list(build.partial.iterdir()) == []
    with one.build(KEY) as build:
        assert (build.partial / "checkpoint").read_text() == "epoch 3"


# ---- leases ------------------------------------------------------------------------------------


def test_machines_build_once(machine, caplog, monkeypatch):
    monkeypatch.setattr(lease, "_FIRST_NOTE", 0.1)
    caplog.set_level("INFO")
    built = []

    def work(store):
        with store.build(KEY, stage="train") as build:
            if build.artifact is None:
                built.append(1)
                time.sleep(0.5)
                (build.directory / "model.bin").write_text("content")
                build.commit("d")
        assert text(build.artifact) == "content"

    threads = [threading.Thread(target=work, args=(machine(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert built == [1]
    assert f"Waiting for another worker that builds train {KEY[:12]}" in caplog.text


def test_a_lease_is_renewed_as_long_as_its_holder_lives(machine):
    one, two = machine(limit=0.4), machine(limit=0.4)
    order = []

    def wait():
        with two.build(KEY) as build:
            order.append(("two", build.artifact is None))

    with one.build(KEY) as build:
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(1.5)
        order.append(("one", True))
        (build.directory / "f").write_text("x")
        build.commit("d")
    thread.join(30)
    assert order == [("one", True), ("two", False)]


def test_the_lease_of_the_dead_is_taken_over_once(machine, caplog):
    name = f"leases/{KEY}.json"
    machine().bucket.write(name, b"of a dead worker")
    begun = time.monotonic()
    running, most, waited = [], [], []

    def work(store):
        with store.build(KEY) as build:
            running.append(1)
            most.append(len(running))
            waited.append(time.monotonic() - begun)
            time.sleep(0.2)
            running.pop()
            assert build.artifact is None

    threads = [threading.Thread(target=work, args=(machine(limit=1.0),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert max(most) == 1
    assert len(waited) == 3
    assert min(waited) >= 0.9
    assert "is dead; taking over" in caplog.text


def test_the_clocks_of_the_workers_do_not_matter(machine, monkeypatch):
    one = machine(limit=5.0)
    one.bucket.write("leases/x", b"fresh")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert lease.is_alive(one.bucket, "leases/x", 5.0)
    monkeypatch.setattr(time, "time", lambda: 1e12)
    other = machine()
    assert lease.is_alive(other.bucket, "leases/x", 5.0)


WORKER = """
import os, signal, sys, time
from secateur.store.bucket import Bucket
from secateur.store.local import LocalStore
from secateur.store.remote import RemoteStore

url, cache, key, log, pause, die, limit = sys.argv[1:]
step, _, passes = die.partition(":")

def killing(original):
    def wrapper(*args):
        global passes
        if not int(passes):
            os.kill(os.getpid(), signal.SIGKILL)
        passes = int(passes) - 1
        return original(*args)
    return wrapper

for kind, name in ((Bucket, "upload"), (Bucket, "create"), (LocalStore, "place")):
    if name == step:
        setattr(kind, name, killing(getattr(kind, name)))

store = RemoteStore(url, cache, limit=float(limit))
with store.pin("run"), store.build(key, stage="train") as build:
    if build.artifact is None:
        with open(log, "a") as file:
            file.write("built\\n")
        time.sleep(float(pause))
        (build.directory / "model.bin").write_text("whole")
        (build.directory / "second.bin").write_text("whole")
        build.commit("d")
print(build.artifact.digest, (build.artifact.directory / "model.bin").read_text())
"""


def start(tmp_path, number, pause=0.0, die="", limit=1.5):
    arguments = [(tmp_path / "bucket").as_uri(), tmp_path / f"cache{number}", KEY]
    arguments += [tmp_path / "log", pause, die, limit]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_build_once(tmp_path):
    workers = [start(tmp_path, number, pause=0.5) for number in range(2)]
    for worker in workers:
        output, errors = worker.communicate(timeout=60)
        assert output == "d whole\n", errors
    assert (tmp_path / "log").read_text() == "built\n"


def test_a_killed_workers_lease_expires(tmp_path):
    first = start(tmp_path, 0, pause=60)
    while not (tmp_path / "log").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = start(tmp_path, 1)
    output, errors = second.communicate(timeout=60)
    assert output == "d whole\n", errors
    assert "is dead; taking over" in errors
    assert (tmp_path / "log").read_text() == "built\n" * 2


@pytest.mark.parametrize("die", ["create:0", "upload:0", "upload:1", "create:1", "place:0"])
def test_killed_at_any_step_of_storing(tmp_path, die):
    killed = start(tmp_path, 0, die=die, limit=0.5)
    _, errors = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, errors
    bucket = (tmp_path / "bucket").as_uri()
    stored = die == "place:0"  # the manifest is there: every other machine can use it
    other = RemoteStore(bucket, tmp_path / "other", limit=0.5)
    assert (other.get(KEY) is not None) is stored
    output, errors = start(tmp_path, 0, limit=0.5).communicate(timeout=60)
    assert output == "d whole\n", errors
    assert other.get(KEY).digest == "d"
    assert not other.verify().broken
    assert list((tmp_path / "cache0" / "tmp").iterdir()) == []


# ---- housekeeping ------------------------------------------------------------------------------


def test_list_and_verify(machine):
    one = machine()
    assert list(one.list()) == []
    put(one)
    put(one, OTHER)
    first, second = sorted([KEY, OTHER])
    name = next(n for n in names(one) if n.endswith("model.bin") and second in n)
    one.bucket.write(name, b"CONTENT")
    entries = list(one.list())
    assert [(e.key, e.stage, e.bytes, e.whole) for e in entries] == [
        (first, "train", 12, True),
        (second, "train", 12, True),
    ]
    report = one.verify()
    assert (report.checked, report.bytes) == (2, 12)
    assert report.broken == {second: "the content of 'model.bin' has changed"}
    one.bucket.delete(name)
    assert [entry.whole for entry in one.list()] == [True, False]
    assert one.verify().broken == {second: "'model.bin' is missing"}


def test_collect(machine):
    one, two = machine(), machine()
    put(one)
    put(one, OTHER)
    time.sleep(0.01)
    dry = one.collect(older_than=0, keep=[OTHER], dry_run=True)
    assert [entry.key for entry in dry.removed] == [KEY]
    assert two.get(KEY) is not None
    time.sleep(0.01)
    with two.pin("run"):
        two.get(OTHER)
        report = one.collect(older_than=0)
    assert [entry.key for entry in report.removed] == [KEY]
    assert (report.pinned, report.freed, report.remaining) == (1, 12, 12)
    assert two.get(KEY) is None
    assert [entry.key for entry in one.list()] == [OTHER]
    assert not one.local.object_folder(KEY).exists()
    assert names(one, "pins") == []


def test_local_copies_of_a_running_flow_stay(machine):
    one = machine()
    put(one)
    with one.pin("run"):
        artifact = one.get(KEY)
        time.sleep(0.01)
        assert one.collect(older_than=0, max_bytes=0).pinned == 1
        assert text(artifact) == "content"


def test_a_bucket_that_may_only_be_read(machine, monkeypatch, caplog):
    put(machine())

    def denied(*args, **kwargs):
        raise PermissionError(13, "Access Denied")

    one = machine()
    monkeypatch.setattr(type(one.bucket.fs), "pipe_file", denied)
    with one.pin("run") as pin:
        assert pin is None
        assert text(one.get(KEY)) == "content"
        with pytest.raises(StoreError, match="check the credentials"), one.build(OTHER):
            pytest.fail("the block must not run")
    assert "Nothing is pinned" in caplog.text


def test_the_pins_of_the_dead_end(machine):
    one = machine(limit=0.3)
    put(one)
    one.bucket.write("pins/r/alive/somebody", b"")
    one.bucket.write(f"pins/r/keys/{KEY}", b"")
    time.sleep(0.01)
    assert one.collect(older_than=0).pinned == 1
    time.sleep(0.4)
    assert len(one.collect(older_than=0).removed) == 1


def test_what_is_being_built_is_left_alone(machine):
    one, two = machine(), machine()
    with one.build(KEY) as build:
        (build.directory / "model.bin").write_text("x")
        build.commit("d")
        time.sleep(0.01)
        assert two.collect(older_than=0).removed == []
    assert two.collect(older_than=0).removed != []


def test_orphans_are_collected_when_old(machine, monkeypatch):
    one = machine()
    put(one)
    orphan = f"objects/{KEY[:2]}/{KEY}/dead/model.bin"
    one.bucket.write(orphan, b"12345")
    assert one.collect().leftovers == []
    monkeypatch.setattr("secateur.store.remote_upkeep.ORPHAN_LIMIT", 0.0)
    time.sleep(0.01)
    assert one.collect(dry_run=True).freed == 5
    assert orphan in names(one)
    assert one.collect().freed == 5
    assert orphan not in names(one)
    assert one.get(KEY) is not None


# ---- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/prefix/", "s3://bucket/prefix"),
        ("sftp://me:secret@host:22/path", "sftp://host:22/path"),
        ("https://host/path?token=secret#x", "https://host/path"),
    ],
)
def test_shown_urls_hold_no_secrets(url, shown):
    assert without_secrets(url) == shown


def test_no_secret_in_any_error(monkeypatch, tmp_path):
    class BrokenError(Exception):
        pass

    def cat_file(*args, **kwargs):
        raise BrokenError("cannot reach memory://me:hunter2@host/x?sig=geheim")

    store = RemoteStore("memory://me:hunter2@host/path?sig=geheim", tmp_path)
    monkeypatch.setattr(type(store.bucket.fs), "cat_file", cat_file)
    with pytest.raises(StoreError, match="cannot read") as caught:
        store.get(KEY)
    shown = f"{caught.value} {caught.value.__cause__} {store!r} {store.location}"
    assert "hunter2" not in shown
    assert "geheim" not in shown


def test_addresses_that_cannot_work(monkeypatch, tmp_path):
    monkeypatch.setenv("SECATEUR_STORE_CACHE", str(tmp_path))
    with pytest.raises(StoreError, match="Protocol not known: nosuch"):
        open_store("nosuch://bucket/prefix")
    with pytest.raises(StoreError, match="credentials come from the environment") as caught:
        open_store("s3://me:hunter2@bucket/prefix")
    assert "hunter2" not in str(caught.value)
    store = open_store("memory://somewhere")
    assert isinstance(store, RemoteStore)
    assert store.local.root.parent == tmp_path


def test_errors_of_the_line_are_transient(machine, monkeypatch):
    one = machine()
    for error, transient in (
        (TimeoutError("slow"), True),
        (ConnectionResetError(104, "reset"), True),
        (PermissionError(13, "Access Denied"), False),
        (OSError(22, "Invalid"), False),
    ):

        def cat_file(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr(type(one.bucket.fs), "cat_file", cat_file)
        with pytest.raises(StoreError) as caught:
            one.get(KEY)
        assert caught.value.transient is transient


def test_the_remote_store_costs_nothing_until_it_is_used():
    code = (
        "import sys; from secateur.store import open_store; open_store('x')\n"
        "print({'fsspec', 'tensorflow', 'keras', 'prefect', 'numpy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "set()\n", run.stderr
