"""What the stage `explain` is given, whatever the way to the final model."""

from __future__ import annotations

import inspect

import pytest

from secateur.flows.parameters import PruneParameters
from secateur.flows.pipeline import wire, wire_explained
from secateur.store import Reference


class _Run:
    """Stands for running stages: gives a reference for each call, and notes it."""

    def __init__(self):
        self.calls = []

    def __call__(self, stage, subject=None, round=None, **arguments):
        inspect.signature(stage.task.fn).bind(**arguments)
        key = f"{len(self.calls)} {stage.task.fn.__name__}"
        self.calls.append((key, arguments))
        return Reference(key=key, digest=key, uri="file:///here")


@pytest.mark.parametrize(
    ("given", "scores", "masks", "fits"),
    [
        ({"target": {"ratio": 0.5}}, "importance", "prune", 2),
        ({"target": {"ratio": 0.5, "pattern": "channel"}}, "importance", None, 2),
        ({"target": {"ratio": 0.5, "schedule": "gradual"}}, None, "fine_tune_gradual", 2),
        ({"target": {"ratio": 0.5, "schedule": "iterative"}}, "importance", "prune", None),
        (
            {"target": {"ratio": 0.5}, "importance": {"criterion": "sparsegpt"}},
            *(None, "prune_rewriting", 2),
        ),
        (
            {"target": {"ratio": 0.5}, "fine_tune": {"dynamic": {"method": "set"}}},
            *("importance", "fine_tune_dynamic", 2),
        ),
    ],
)
def test_it_sees_the_last_choice_and_every_training(given, scores, masks, fits):
    run = _Run()
    given = {**given, "correct": {"method": "none"}}
    *_, explanation = wire_explained(PruneParameters.model_validate(given).resolved(), run)
    key, told = run.calls[-1]
    assert (explanation.key, key.partition(" ")[2]) == (key, "explain")
    assert told["dense"].key.endswith(" train")
    assert told["data"].key.endswith(" load_data")
    names = [key.partition(" ")[2] for key, _ in run.calls]
    for name, expected in (("scores", scores), ("masks", masks)):
        found = told[name]
        if expected is None:
            assert found is None
        else:
            last = max(place for place, each in enumerate(names) if each == expected)
            assert found.key == f"{last} {expected}"
    trained = [key for key, _ in run.calls if "train" in key or "fine_tune" in key]
    assert [each.key for each in told["fits"]] == trained
    assert fits is None or len(trained) == fits
    assert told["tuned"].key != told["dense"].key


def test_a_trial_does_without(tmp_path):
    run = _Run()
    wire(PruneParameters.model_validate({"target": {"ratio": 0.5}}).resolved(), run)
    assert not [key for key, _ in run.calls if key.endswith("explain")]
