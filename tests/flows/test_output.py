"""`~` in an output folder is the home folder, in the check of every command."""

from __future__ import annotations

import pytest

from secateur.flows.compress_parameters import CompressParameters
from secateur.flows.parameters import PruneParameters
from secateur.flows.search_parameters import SearchParameters, SensitivityParameters
from secateur.flows.sweep_parameters import SweepParameters


@pytest.mark.parametrize(
    ("parameters", "needed"),
    [
        (PruneParameters, {"target": {"ratio": 0.9}}),
        (SweepParameters, {"sweep": {"target": {"ratio": [0.5, 0.9]}}}),
        (SearchParameters, {"budget": {"accuracy_drop": 0.01}}),
        (SensitivityParameters, {}),
        (CompressParameters, {}),
    ],
)
def test_the_check_makes_the_folder_at_home(parameters, needed, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    parameters(**needed, output="~/results").check()
    assert (tmp_path / "home" / "results").is_dir()
    assert not list((tmp_path / "here").iterdir())
