"""The temporary Prefect server of a command."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest


def _health(url):
    try:
        return urllib.request.urlopen(f"{url}/health", timeout=2).status
    except OSError:
        return None


def _start(tmp_path, then):
    """A process that starts a server, prints its address, and goes on with `then`."""
    code = (
        "from secateur.flows.server import prefect_server\n"
        "from prefect.settings import PREFECT_API_URL\n"
        "with prefect_server() as wait:\n"
        f"    wait(); print(PREFECT_API_URL.value(), flush=True); {then}\n"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")}
    environment.pop("PREFECT_API_URL", None)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # What runs in the background, such as a build, starts its processes deaf to Ctrl-C.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_the_server_ends_with_its_starter(sign, tmp_path):
    process = _start(tmp_path, "import time; time.sleep(300)")
    url = process.stdout.readline().strip()
    assert _health(url) == 200
    process.send_signal(sign)
    process.wait(timeout=60)
    deadline = time.monotonic() + 30
    while _health(url) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_two_servers_on_the_same_new_data_base_both_start(tmp_path):
    processes = [_start(tmp_path, "pass") for _ in range(2)]
    assert [process.wait(timeout=200) for process in processes] == [0, 0]


def test_a_configured_server_is_used(tmp_path, prefect_server):
    from prefect.settings import PREFECT_API_URL

    from secateur.flows import server

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "Server", None)  # none is started
        before = PREFECT_API_URL.value()
        with server.prefect_server() as wait:
            wait()
            assert PREFECT_API_URL.value() == before


def test_a_configured_server_that_is_not_there_is_told_at_once():
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from secateur.flows.server import ServerError, prefect_server

    nobody = "http://127.0.0.1:9/api"
    with (
        temporary_settings({PREFECT_API_URL: nobody}),
        pytest.raises(ServerError, match=f"{nobody}, where no Prefect server answers"),
        prefect_server(),
    ):
        pass
