"""All parameters together: defaults that depend on others, and what is refused before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from secateur.flows.parameters import DEFAULT_EPOCHS, PruneParameters


@pytest.fixture
def make(tmp_path):
    def parameters(**changes):
        return PruneParameters(**{"target": {"ratio": 0.9}, "output": tmp_path / "out", **changes})

    return parameters


def test_the_target_alone_is_needed():
    with pytest.raises(ValidationError, match="target\n  Field required"):
        PruneParameters()
    assert PruneParameters(target={"ratio": 0.9}).model.name == "simple_net"


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({}, DEFAULT_EPOCHS),
        ({"model": {"factory": "nets:small"}}, DEFAULT_EPOCHS),
        ({"model": {"path": "model.keras"}}, 0),
        ({"model": {"path": "model.keras"}, "train": {"epochs": 3}}, 3),
        ({"train": {"epochs": 0}}, 0),
    ],
)
def test_a_file_is_trained_only_on_demand(changes, epochs, make):
    assert make(**changes).resolved().train.epochs == epochs


@pytest.mark.parametrize(
    ("own", "seed"), [({}, 5), ({"seed": 7}, 7), ({"seed": 0}, 0), ({"seed": None}, 5)]
)
def test_fine_tuning_has_the_seed_of_the_run_or_its_own(own, seed, make):
    resolved = make(seed=5, fine_tune=own).resolved()
    assert (resolved.seed, resolved.fine_tune.seed) == (5, seed)


def test_the_output_folder_is_absolute_and_home_is_known(make, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert make(output="out").resolved().output == tmp_path / "out"
    assert make(output="~/out").resolved().output == tmp_path / "home" / "out"
    assert make(output=Path("/a/b")).resolved().output == Path("/a/b")


def test_resolving_twice_changes_nothing(make):
    resolved = make(model={"path": "model.keras"}, seed=5).resolved()
    assert resolved.resolved() == resolved


@pytest.mark.parametrize("changes", [{"seed": -1}, {"seed": 2**31}, {"sead": 1}, {"train": 5}])
def test_bounds_and_unknown_groups(changes, make):
    with pytest.raises(ValidationError):
        make(**changes)


def test_what_fits_passes(make, tmp_path):
    make().resolved().check()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dataset": {"name": "mnist_6k"}}, "mnist_6k.*Did you mean 'mnist_5k'"),
        ({"dataset": {"name": "mnist", "data_dir": "/nowhere"}}, "data_dir is '/nowhere'"),
        ({"model": {"path": "/nowhere.keras"}}, "model.path is '/nowhere.keras', which is no file"),
        ({"model": {"factory": "os:getcwd"}}, "has not allowed"),
        ({"output": "/proc/none"}, "output is '/proc/none', which is the system's"),
        ({"importance": {"criterion": "sparsegpt"}}, "sparsegpt .*use allocation uniform"),
        (
            {"target": {"ratio": 0.9, "schedule": "gradual"}, "fine_tune": {"epochs": 0}},
            "schedule is 'gradual', which prunes during fine-tuning",
        ),
    ],
)
def test_what_must_fail_is_refused_before_any_work(changes, told, make):
    with pytest.raises(ValueError, match=told) as error:
        make(**changes).resolved().check()
    assert "\n" not in str(error.value)
