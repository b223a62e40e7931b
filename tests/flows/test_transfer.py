"""The flow `transfer`: a pruned model on other data, beside a fresh start."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.flows.conftest import check_names

pytestmark = pytest.mark.slow

QUICK = {
    "dataset": {"name": "digits"},
    "fine_tune": {"epochs": 2, "batch_size": 64},
    "seed": 1,
}


@pytest.fixture
def moved(ran, tmp_path, prefect_server):
    """Calls the flow on the model that a quick run of `prune` gave."""
    from secateur.flows.prune import prune
    from secateur.flows.transfer import transfer
    from tests.flows.conftest import QUICK as PRUNED

    prune(**PRUNED, output=tmp_path / "pruned")

    def run(body="staged", **changes):
        own = {"source": str(tmp_path / "pruned"), "body": body, "head_epochs": 1}
        return transfer(transfer=own, **{**QUICK, "output": tmp_path / "out", **changes})

    return run


def _kernels(folder):
    import keras

    model = keras.saving.load_model(folder / "model.keras")
    return [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]


def test_zeros_stay_and_a_fresh_start_has_the_same(moved, ran, tmp_path):
    short = moved(deadline="PT0.001S")  # the rest of the test is about the run that goes on
    stopped = [notice for notice in short.notices if "stopped at the deadline" in notice]
    assert [notice.partition("after ")[2][:6] for notice in stopped] == ["1 of 2", "1 of 3"]

    report = moved()
    assert not [notice for notice in report.notices if "deadline" in notice]
    assert set(report.models) == {"transferred", "scratch"}
    ours, scratch = report.models["transferred"], report.models["scratch"]
    assert (ours.nonzero, ours.flops) == (scratch.nonzero, scratch.flops)
    *before, _ = _kernels(tmp_path / "pruned")
    *after, head = _kernels(tmp_path / "out")
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new != 0, old != 0)
        assert not np.array_equal(new, old)
    assert head.shape[1] == 10
    assert len(report.histories["transferred"]["loss"]) == 1 + 2
    assert len(report.histories["scratch"]["loss"]) == 1 + 2
    written = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert written["models"]["transferred"]["metrics"] == ours.metrics
    assert "from scratch" in (tmp_path / "out" / "transfer.md").read_text()
    assert "from scratch" in (tmp_path / "out" / "transfer.html").read_text()
    assert written["data_card"]["splits"] == report.data_card.splits
    assert report.data_card.name == "digits"
    assert "digits: classification of images" in (tmp_path / "out" / "transfer.html").read_text()
    check_names(tmp_path / "out", "transfer")
    check_names(tmp_path / "pruned", "prune")
    assert (tmp_path / "out" / "transfer.png").stat().st_size > 5000

    again = moved()
    assert all(stage.cached for stage in again.stages)
    frozen = moved(body="frozen", target={"ratio": 0.95})
    assert set(frozen.models) == {"transferred", "scratch", "pruned"}
    assert 1 - frozen.final.nonzero / frozen.final.prunable == pytest.approx(0.95, abs=1e-3)
    *pruned, _ = _kernels(tmp_path / "out")
    for old, new in zip(before, pruned, strict=True):
        assert not new[old == 0].any()


def test_what_was_not_pruned_or_does_not_fit_is_refused(moved, ran, tmp_path):
    import keras

    from secateur.store import open_store

    def trained():
        return [entry.stage for entry in open_store().list()].count("fine_tune")

    from secateur.flows.transfer import transfer

    before = trained()
    dense = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    dense.save(tmp_path / "dense.keras")
    with pytest.raises(ValueError, match=r"dense\.keras', which was not pruned"):
        transfer(transfer={"source": str(tmp_path / "dense.keras")}, **QUICK, output=tmp_path / "o")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"a folder without model\.keras"):
        transfer(transfer={"source": str(tmp_path / "empty")}, **QUICK, output=tmp_path / "o")
    kernel = dense.layers[-1].kernel
    kernel.assign(np.where(np.abs(kernel.numpy()) < 0.1, 0, kernel.numpy()))
    dense.save(tmp_path / "dense.keras")
    with pytest.raises(ValueError, match=r"takes inputs of shape \(batch, 8, 8, 1\)"):
        transfer(
            transfer={"source": str(tmp_path / "dense.keras")},
            **{**QUICK, "dataset": {"name": "wine"}},
            output=tmp_path / "o",
        )
    assert trained() == before
