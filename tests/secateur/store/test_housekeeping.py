"""Listing, verifying, collecting, and what a running flow holds."""

import datetime
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.store import StoreError, digest_of, open_store, pins
from secateur.store.housekeeping import Entry, choose

ROOT = Path(__file__).parents[3]
KEYS = sorted(digest_of(number) for number in range(4))


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


def put(store, key, size=10, age=0.0):
    with store.build(key, stage="train") as build:
        (build.directory / "f").write_bytes(b"x" * size)
        build.commit("d")
    then = time.time() - age
    os.utime(store.object_folder(key) / "manifest.json", (then, then))


def keys(store):
    return [entry.key for entry in store.list()]


def test_an_empty_store(store):
    assert list(store.list()) == []
    assert store.verify().checked == 0
    assert store.collect(older_than=0, max_bytes=0).removed == []
    assert not store.root.exists()


def test_list(store):
    for key in KEYS[:2]:
        put(store, key, size=7, age=100)
    (store.object_folder(KEYS[1]) / "files" / "f").write_text("short")
    first, second = store.list()
    assert (first.key, first.stage, first.bytes, first.whole) == (KEYS[0], "train", 7, True)
    assert 99 < time.time() - first.last_used.timestamp() < 110
    assert (second.key, second.whole) == (KEYS[1], False)
    store.get(KEYS[0])
    assert time.time() - next(store.list()).last_used.timestamp() < 10
    (store.object_folder(KEYS[0]) / "manifest.json").unlink()
    assert not next(store.list()).whole


def test_verify_hashes_all(store, monkeypatch):
    for key in KEYS[:3]:
        put(store, key)
    path = store.object_folder(KEYS[1]) / "files" / "f"
    path.write_bytes(b"y" * 10)
    report = store.verify()
    assert (report.checked, report.bytes) == (3, 20)
    assert report.broken == {KEYS[1]: "the content of 'f' has changed"}


def test_collect_by_age(store):
    put(store, KEYS[0], age=100)
    put(store, KEYS[1], age=10)
    dry = store.collect(older_than=datetime.timedelta(seconds=50), dry_run=True)
    assert keys(store) == KEYS[:2]
    real = store.collect(older_than=50)
    assert [e.key for e in dry.removed] == [e.key for e in real.removed] == [KEYS[0]]
    assert dry.freed == real.freed == 10
    assert dry.remaining == real.remaining == 10
    assert keys(store) == KEYS[1:2]
    assert store.get(KEYS[0]) is None
    put(store, KEYS[0])


def test_collect_by_size_takes_those_unused_for_longest(store):
    for age, key in zip((30, 10, 20, 40), KEYS, strict=True):
        put(store, key, age=age)
    store.collect(max_bytes=25)
    assert set(keys(store)) == {KEYS[1], KEYS[2]}


def test_collect_keeps_and_takes_the_broken(store):
    for key in KEYS[:3]:
        put(store, key, age=100)
    (store.object_folder(KEYS[2]) / "files" / "f").unlink()
    store.collect()
    assert keys(store) == KEYS[:2]
    store.collect(older_than=0, keep=[KEYS[1]])
    assert keys(store) == KEYS[1:2]


@pytest.mark.parametrize("limits", [{"older_than": -1}, {"max_bytes": -1}])
def test_negative_limits(store, limits):
    with pytest.raises(ValueError, match="must not be negative"):
        store.collect(**limits)
    put(store, KEYS[0])
    with pytest.raises(ValueError, match="must not be negative"):
        store.collect(**limits)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.booleans(), st.booleans())),
    st.none() | st.integers(0, 9),
    st.none() | st.integers(0, 20),
)
def test_choose(rows, older_than, max_bytes):
    entries = [
        Entry(str(i), "", size, None, datetime.datetime.fromtimestamp(100 - age, datetime.UTC), ok)
        for i, (age, size, ok, _) in enumerate(rows)
    ]
    held = frozenset(str(i) for i, row in enumerate(rows) if row[3])
    chosen, held_back, remaining = choose(entries, 100.0, older_than, max_bytes, held)
    gone = {entry.key for entry in chosen}
    assert not gone & held
    stay = [entry for entry in entries if entry.key not in gone]
    assert remaining == sum(entry.bytes for entry in stay)
    assert held_back <= len(held)
    for entry in stay:
        if entry.key not in held:
            assert entry.whole
            assert older_than is None or 100 - entry.last_used.timestamp() <= older_than
            if max_bytes is not None and gone:  # nothing kept is older than what had to go for room
                room = [e for e in chosen if e.whole and older_than is None]
                assert all(e.last_used <= entry.last_used for e in room)
    if max_bytes is not None and not held:
        assert remaining <= max_bytes


# ---- pins --------------------------------------------------------------------------------------


def test_what_a_run_uses_is_not_collected(store):
    for key in KEYS[:2]:
        put(store, key, age=100)
    with store.pin("run") as pin:
        store.get(KEYS[0])
        put(store, KEYS[2], age=100)
        report = store.collect(older_than=0)
        assert keys(store) == sorted([KEYS[0], KEYS[2]])
        assert report.pinned == 2
        put(store, KEYS[3], age=100)
        pin.add(KEYS[3])
    assert list((store.root / "pins").iterdir()) == [store.root / "pins" / "pins.lock"]
    time.sleep(0.01)
    store.collect(older_than=0)
    assert keys(store) == []


PROCESS = """
import sys, time
from secateur.store import open_store
store = open_store(sys.argv[1])
with store.pin("run/with: odd name"):
    store.get(sys.argv[2])
    print("held", flush=True)
    time.sleep(60)
"""


def hold(store, key):
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(store.root), key],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_killed_run_holds_nothing(store):
    put(store, KEYS[0])
    process = hold(store, KEYS[0])
    try:
        time.sleep(0.01)
        assert store.collect(older_than=0).pinned == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert [entry.key for entry in store.collect(older_than=0).removed] == [KEYS[0]]
    assert list((store.root / "pins").iterdir()) == [store.root / "pins" / "pins.lock"]


def test_a_run_holds_what_its_dead_workers_used(store):
    put(store, KEYS[0])
    with store.pin("run/with: odd name"):
        worker = hold(store, KEYS[0])
        worker.kill()
        worker.communicate()
        time.sleep(0.01)
        assert store.collect(older_than=0).pinned == 1
    assert store.collect(older_than=0).pinned == 0


def test_pinned_between_choosing_and_removing(store, monkeypatch):
    put(store, KEYS[0], age=100)
    original, calls = pins.held, []

    def held(root):
        calls.append(root)
        return frozenset() if len(calls) == 1 else original(root)

    monkeypatch.setattr(pins, "held", held)
    with store.pin("run"):
        store.get(KEYS[0])
        report = store.collect(older_than=0, max_bytes=0)
    assert len(calls) == 2
    assert (report.removed, report.pinned) == ([], 1)


def test_what_is_being_built_is_left_alone(store):
    with store.build(KEYS[0]) as build:
        (build.directory / "f").write_text("x")
        (build.partial / "checkpoint").write_text("x")
        assert store.collect(older_than=0, max_bytes=0).leftovers == []
        build.commit("d")
        time.sleep(0.01)
        assert store.collect(older_than=0).removed == []  # its key is still locked
    assert store.get(KEYS[0]) is not None


def test_leftovers(store):
    (store.root / "tmp" / f"{KEYS[0]}.dead").mkdir(parents=True)
    (store.root / "tmp" / f"{KEYS[0]}.dead" / "half").write_bytes(b"x" * 5)
    for key, age in ((KEYS[1], 8 * 86400), (KEYS[2], 60)):
        folder = store.partial_folder(key)
        folder.mkdir(parents=True)
        (folder / "checkpoint").write_bytes(b"x" * 3)
        then = time.time() - age
        os.utime(folder / "checkpoint", (then, then))
        os.utime(folder, (then, then))
    assert len(store.collect(dry_run=True).leftovers) == 2
    report = store.collect()
    assert len(report.leftovers) == 2
    assert report.freed == 8
    assert list((store.root / "tmp").iterdir()) == []
    assert list((store.root / "partial").iterdir()) == [store.partial_folder(KEYS[2])]
    assert list((store.root / "locks").iterdir()) == [store.lock_file(KEYS[2])]


def test_many_runs_build_and_collect_at_once(store):
    """Builders that pin, beside a collector that takes all it may: nobody loses a file."""
    code = """
import sys
from secateur.store import digest_of, open_store
store = open_store(sys.argv[1])
for number in range(40):
    with store.pin(f"{sys.argv[2]}-{number}"):
        key = digest_of(number % 3)
        with store.build(key) as build:
            if build.artifact is None:
                (build.directory / "f").write_text("whole")
                build.commit("d")
        for _ in range(3):
            assert (build.artifact.directory / "f").read_text() == "whole"
            assert store.open(build.artifact.reference)
"""
    builders = [
        subprocess.Popen([sys.executable, "-c", code, str(store.root), str(n)], cwd=ROOT)
        for n in range(2)
    ]
    removed = 0
    while any(builder.poll() is None for builder in builders):
        removed += len(store.collect(older_than=0, max_bytes=0).removed)
    assert [builder.returncode for builder in builders] == [0, 0]
    assert removed > 0
    assert not store.verify().broken


def test_collecting_what_cannot_be_written(store, monkeypatch):
    put(store, KEYS[0], age=100)

    def broken(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(StoreError, match="permission is denied"):
        store.collect(older_than=0)
