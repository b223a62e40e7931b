"""TensorFlow's start says nothing; errors and all that follows are heard."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tasks.quiet import _no_standard_error


def test_what_is_written_to_the_descriptor_is_not_shown(capfd):
    with _no_standard_error():
        os.write(2, b"noise of a library")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_standard_error_comes_back_after_a_failure(capfd):
    with pytest.raises(ImportError, match="no such library"), _no_standard_error():
        raise ImportError("no such library")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


@pytest.mark.slow
def test_tensorflow_starts_without_a_word():
    code = "from tasks.quiet import import_tensorflow; import_tensorflow(); import_tensorflow()"
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, timeout=120, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")
