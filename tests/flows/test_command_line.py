"""The command that a report names gives the parameters of its run."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

from secateur.flows.arguments import Flags
from secateur.flows.command_line import command_line
from secateur.flows.parameters import PruneParameters

CASES = [
    {"target": {"ratio": 0.9}},
    {"target": {"pattern": "2:4"}, "seed": 7, "fine_tune": {"seed": 3, "epochs": 0}},
    {"target": {"allocation": {"conv_*": 0.5, "it's": 0.25}}},
    {"target": {"ratio": 1e-5, "include": ["conv[12]", "a b"], "allocation": "erk"}},
    {"target": {"threshold": 0.25}, "model": {"path": "my models/a.keras"}},
    {"target": {"ratio": 0.5}, "deadline": "1h30m"},
    {"target": {"quantile": 0.5}, "train": {"epochs": 0}, "publish": {"approval": True}},
    {"target": {"ratio": 0.5, "pattern": "channel", "measure": "flops", "round_to": 16}},
    {
        "target": {"ratio": 0.5},
        "dataset": {"name": "cifar10", "data_dir": "/data"},
        "output": "x y",
    },
]


def _read(command):
    name, flow, *arguments = shlex.split(command)
    assert (name, flow) == ("secateur", "prune")
    parser = argparse.ArgumentParser()
    flags = Flags(PruneParameters, parser)
    return flags.read(parser.parse_args(arguments))


@pytest.mark.parametrize("given", CASES)
@pytest.mark.parametrize("resolved", [False, True])
def test_it_gives_the_same_parameters(given, resolved):
    parameters = PruneParameters.model_validate(given)
    command = command_line(parameters.resolved() if resolved else parameters)
    assert _read(command).resolved() == parameters.resolved()


def test_it_says_no_more_than_it_has_to():
    parameters = PruneParameters(target={"ratio": 0.9}, seed=1, output=Path("out"))
    assert command_line(parameters) == "secateur prune --target.ratio 0.9 --seed 1"
    assert command_line(parameters.resolved()) == "secateur prune --target.ratio 0.9 --seed 1"
