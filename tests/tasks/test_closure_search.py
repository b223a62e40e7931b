"""What the stages of a search import as they run is what their keys count."""

from __future__ import annotations

import pytest

from tests.tasks.test_closure import _run


@pytest.mark.slow
def test_the_stages_of_a_search_import_only_what_their_keys_count():
    (data,) = _run("load_data", {"dataset": {"name": "mnist_5k"}})
    epoch = {"epochs": 2, "batch_size": 500}
    dense, residual = _run(
        "train",
        *(
            {"data": data, "train": {**epoch, "epochs": n}, "seed": 1, "model": {"name": name}}
            for name, n in (("lenet_5", 1), ("resnet_20", 0))
        ),
    )
    calibration = {"importance": {"criterion": "magnitude", "examples": 20}, "seed": 1}
    (scores,) = _run("importance", {"data": data, "model": dense, **calibration})
    curves = {"data": data, "seed": 1, "sensitivity": {"ratios": [0.5], "examples": 20}}
    targets = [{"ratio": 0.5}, {"ratio": 0.5, "pattern": "channel"}, {"pattern": "2:4"}]
    found = _run(
        "sensitivity",
        *({**curves, "model": dense, "target": t, "scores": scores} for t in targets),
        {**curves, "model": residual, "target": {"ratio": 0.5, "pattern": "layer"}},
    )
    common = {"data": data, "model": dense, "scores": scores, **calibration}
    weights = {**common, "target": targets[0], "sensitivity": found[0], "measure": "nonzero"}
    channels = {**common, "target": targets[1], "sensitivity": found[1], "measure": "flops"}
    ways = ({**weights, "way": "ratio"}, {**weights, "way": "loss"}, {**channels, "way": "loss"})
    _run("waypoints", *ways)
    _run("validate", {"data": data, "model": dense})
    (pruned,) = _run("prune", {"model": dense, "scores": scores, "target": {"ratio": 0.5}})
    rung = {"data": data, "pruned": pruned, "fine_tune": epoch, "seed": 1}
    (first,) = _run("fine_tune_rung", {**rung, "until": 1})
    (last,) = _run("fine_tune_rung", {**rung, "until": 2, "before": first})
    (whole,) = _run("fine_tune", rung)
    assert last["digest"] == whole["digest"]  # rungs together are one fine-tuning, to the bit
    _run("latency", {"dense": dense, "model": dense})
