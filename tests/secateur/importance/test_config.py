from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from secateur.importance.config import ImportanceConfig


def test_defaults() -> None:
    config = ImportanceConfig()
    assert (config.criterion, config.examples, config.batch_size) == ("magnitude", None, None)


def test_unknown_criterion_names_the_nearest() -> None:
    with pytest.raises(ValidationError, match=r"magnitude.*Did you mean 'gradient'"):
        ImportanceConfig(criterion="gradiant")


@pytest.mark.parametrize("bad", [{"examples": 0}, {"batch_size": 0}, {"exmaples": 3}])
def test_bad_fields(bad: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ImportanceConfig(**bad)


def test_no_tensorflow() -> None:
    code = (
        "import sys; import secateur.importance, secateur.importance.names;"
        "from secateur.importance.config import ImportanceConfig; ImportanceConfig();"
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
