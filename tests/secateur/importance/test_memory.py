"""Memory that is given back."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from secateur.importance.memory import give_back


def _resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell memory in other ways")
def test_what_is_free_goes_back_to_the_system():
    arrays = [np.ones(8_000) for _ in range(2_000)]  # 128 MB, each too small to be mapped alone
    kept = arrays[-1]  # on top of the heap, which keeps all below it from shrinking
    del arrays
    before = _resident()
    give_back()
    assert before - _resident() > 50e6
    assert kept.all()
