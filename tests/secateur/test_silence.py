"""What native libraries report is not shown; errors and all that follows are."""

from __future__ import annotations

import os

import pytest

from secateur.silence import no_standard_error


def test_what_is_written_to_the_descriptor_is_not_shown(capfd):
    with no_standard_error():
        os.write(2, b"noise of a library")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_standard_error_comes_back_after_a_failure(capfd):
    with pytest.raises(ImportError, match="no such library"), no_standard_error():
        raise ImportError("no such library")
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"
