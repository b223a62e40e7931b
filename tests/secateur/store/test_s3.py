"""The store on a real S3-compatible server (moto) on this machine, as several workers see it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from secateur.store import StoreError, digest_of
from secateur.store.bucket import Bucket
from secateur.store.remote import RemoteStore

pytest.importorskip("s3fs")
pytest.importorskip("moto")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
KEY = digest_of("a key")


@pytest.fixture(scope="module")
def server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            assert process.poll() is None
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def s3(server, monkeypatch):
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"bucket-{time.time_ns()}"
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}/some/prefix"
    s3fs.S3FileSystem.clear_instance_cache()


WORKER = """
import sys, time
from secateur.store import digest_of
from secateur.store.remote import RemoteStore

url, cache, log, pause, count = sys.argv[1:]
store = RemoteStore(url, cache, limit=4.0)
with store.pin("run"):
    for number in range(int(count)):
        with store.build(digest_of(number), stage="train") as build:
            if build.artifact is None:
                with open(log, "a") as file:
                    file.write(f"{number}\\n")
                time.sleep(float(pause))
                (build.directory / "model.bin").write_text(f"whole {number}")
                build.commit(f"d{number}")
        assert (build.artifact.directory / "model.bin").read_text() == f"whole {number}"
print("done")
"""


def start(url, tmp_path, number, pause=0.0, count=1):
    arguments = [url, tmp_path / f"cache{number}", tmp_path / "log", pause, count]
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *map(str, arguments)],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_conditional_writes_and_the_servers_clock(s3, tmp_path):
    bucket = Bucket(s3)
    assert bucket.create("x", b"1")
    assert not bucket.create("x", b"2")
    assert bucket.read("x") == b"1"
    assert abs(bucket.now() - time.time()) < 5
    assert bucket.find("").keys() == {"x"}
    bucket.delete("x", "not there")
    assert bucket.read("x") is None


def test_round_trip(s3, tmp_path):
    one, two = RemoteStore(s3, tmp_path / "one"), RemoteStore(s3, tmp_path / "two")
    with one.build(KEY, stage="train") as build:
        (build.directory / "sub").mkdir()
        (build.directory / "sub" / "big.bin").write_bytes(os.urandom(12 * 2**20))
        (build.directory / "empty").touch()
        built = build.commit("d")
    with two.pin("run"):
        read = two.get(KEY)
        data = (read.directory / "sub" / "big.bin").read_bytes()
        assert data == (built.directory / "sub" / "big.bin").read_bytes()
        time.sleep(1.1)  # S3 tells times in whole seconds
        assert one.collect(older_than=0).pinned == 1
    assert (one.verify().checked, one.verify().broken) == (1, {})
    name = next(name for name in one.bucket.find("objects") if name.endswith("big.bin"))
    one.bucket.write(name, data[:-1] + bytes([data[-1] ^ 1]))
    assert list(one.verify().broken) == [KEY]
    assert RemoteStore(s3, tmp_path / "three").get(KEY) is None
    time.sleep(1.1)
    assert len(one.collect(older_than=0).removed) == 1
    assert one.bucket.find("objects") == {}


def test_workers_share_the_work(s3, tmp_path):
    workers = [start(s3, tmp_path, number, pause=0.2, count=6) for number in range(3)]
    for worker in workers:
        output, errors = worker.communicate(timeout=120)
        assert output == "done\n", errors
    assert sorted((tmp_path / "log").read_text().split()) == list("012345")


def test_a_killed_workers_lease_is_taken_over(s3, tmp_path):
    first = start(s3, tmp_path, 0, pause=120)
    while not (tmp_path / "log").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    first.kill()
    first.communicate()
    output, errors = start(s3, tmp_path, 1).communicate(timeout=120)
    assert output == "done\n", errors
    assert "is dead; taking over" in errors
    assert (tmp_path / "log").read_text().split() == ["0", "0"]


def test_clear_errors(s3, tmp_path):
    with pytest.raises(StoreError, match="bucket of the store 's3://no-such-bucket'") as caught:
        Bucket("s3://no-such-bucket").write("x", b"")
    assert not caught.value.transient
    assert RemoteStore("s3://no-such-bucket", tmp_path).get(KEY) is None
    assert "a-secret" not in str(caught.value)
