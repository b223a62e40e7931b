"""Real processes: killed at any step, and two at once."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secateur.store import digest_of, locks, open_store

ROOT = Path(__file__).parents[3]
KEY = digest_of("a key")

# A build that counts itself in a log; `die` names a call (and how often it passes) to be killed in.
BUILDER = """
import os, signal, sys, time
from pathlib import Path
from secateur.store import manifest, open_store

root, key, log, die, pause = sys.argv[1:]
call, _, passes = die.partition(":")
counter = int(passes or 0)

def killing(original):
    def wrapper(*args, **kwargs):
        global counter
        counter -= 1
        if counter < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    return wrapper

if call == "rename":
    Path.rename = killing(Path.rename)
elif call == "rmtree":
    import shutil
    shutil.rmtree = killing(shutil.rmtree)
elif call == "fsync":
    os.fsync = killing(os.fsync)

store = open_store(root)
with store.build(key, stage="train") as build:
    if build.artifact is None:
        with open(log, "a") as file:
            file.write("built\\n")
        (build.partial / "checkpoint").write_text("epoch 3")
        (build.directory / "model").write_text("whole")
        time.sleep(float(pause))
        if call == "body":
            os.kill(os.getpid(), signal.SIGKILL)
        build.commit("d")
print(build.artifact.digest, (build.artifact.directory / "model").read_text())
"""


def start(root, log, die="", pause=0.0):
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(root), KEY, str(log), die, str(pause)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "die", ["body", "fsync:0", "fsync:1", "fsync:2", "fsync:3", "fsync:4", "rename:0", "rmtree:0"]
)
def test_killed_at_any_step(tmp_path, die):
    root, log = tmp_path / "store", tmp_path / "log"
    killed = start(root, log, die)
    _, errors = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, errors
    # From here on: nothing half-written is served, the checkpoint is there, the build works.
    store = open_store(root)
    placed = die in ("fsync:4", "rmtree:0")  # after the rename the artifact is whole
    assert (store.get(KEY) is not None) is placed
    with store.build(KEY) as build:
        assert (build.artifact is not None) is placed
        if build.artifact is None:
            assert (build.partial / "checkpoint").read_text() == "epoch 3"
            assert list(build.directory.iterdir()) == []
            assert len(list((root / "tmp").iterdir())) == 1
            (build.directory / "model").write_text("whole")
            build.commit("d")
    assert store.get(KEY).digest == "d"
    assert list((root / "tmp").iterdir()) == []


def test_killed_while_a_broken_artifact_is_replaced(tmp_path):
    root, log = tmp_path / "store", tmp_path / "log"
    assert start(root, log).wait(60) == 0
    (open_store(root).get(KEY).directory / "model").write_text("wrong")
    killed = start(root, log, "rename:1")  # the broken one is gone, the new one not yet there
    assert killed.wait(60) == -signal.SIGKILL
    assert open_store(root).get(KEY) is None
    last = start(root, log)
    assert last.communicate(timeout=60)[0] == "d whole\n"
    assert list((root / "tmp").iterdir()) == []


def test_two_processes_build_once(tmp_path):
    root, log = tmp_path / "store", tmp_path / "log"
    both = [start(root, log, pause=0.5) for _ in range(2)]
    for process in both:
        output, errors = process.communicate(timeout=60)
        assert output == "d whole\n", errors
    assert log.read_text() == "built\n"


def test_a_waiter_takes_over_from_a_killed_builder(tmp_path):
    root, log = tmp_path / "store", tmp_path / "log"
    first = start(root, log, pause=60)
    while not log.exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    second = start(root, log)
    time.sleep(0.5)
    assert second.poll() is None
    first.kill()
    output, errors = second.communicate(timeout=60)
    assert output == "d whole\n", errors
    assert log.read_text() == "built\n" * 2
    first.communicate()


def test_threads_build_once_and_the_waiting_is_logged(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(locks, "FIRST_NOTE", 0.05)
    caplog.set_level("INFO")
    store = open_store(tmp_path / "store")
    built, found = [], []

    def work():
        with store.build(KEY, stage="train") as build:
            if build.artifact is None:
                built.append(1)
                time.sleep(0.3)
                (build.directory / "model").write_text("whole")
                build.commit("d")
        found.append(build.artifact.digest)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert built == [1]
    assert found == ["d"] * 4
    assert f"Waiting for another run that builds train {KEY[:12]}" in caplog.text


def test_leftovers_of_dead_builds_are_swept_but_not_those_under_way(tmp_path):
    root, log = tmp_path / "store", tmp_path / "log"
    assert start(root, log, "body").wait(60) == -signal.SIGKILL
    other = digest_of("another key")
    store = open_store(root)
    with store.build(other) as build:
        names = [path.name.partition(".")[0] for path in (root / "tmp").iterdir()]
        assert names == [other]
        assert open_store(root).sweep() == []
        assert build.directory.is_dir()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = open_store(disk / "store")

        def put(size):
            with store.build(KEY) as build:
                (build.directory / "model").write_bytes(b"x" * size)
                build.commit("d")

        with pytest.raises(Exception, match=r"disk is full; free some space") as caught:
            put(2**20)
        assert type(caught.value).__name__ == "StoreError"
        assert list((store.root / "tmp").iterdir()) == []
        put(2**17)
        assert store.get(KEY).bytes == 2**17
    finally:
        subprocess.run(["umount", str(disk)], check=True)
