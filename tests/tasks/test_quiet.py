"""TensorFlow's start says nothing; errors and all that follows are heard."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_tensorflow_starts_without_a_word():
    code = "from tasks.quiet import import_tensorflow; import_tensorflow(); import_tensorflow()"
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, timeout=120, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")
