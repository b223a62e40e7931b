"""Correction, regularizers and moving masks in the flow."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("shared_store")


def _masks(report):
    from secateur.sparsity.masks import Masks
    from secateur.store import open_store

    names = ("prune", "fine_tune")
    chosen = [s for s in report.stages if s.name in names and s.subject is None]
    keys = {stage.name: stage.key for stage in chosen}
    return [Masks.load(open_store().get(keys[name]).directory / "masks.npz") for name in names]


def test_a_penalty_without_anything_to_act_on_is_refused_before_training(quick):
    from secateur.store import open_store

    def trained():
        stages = [entry.stage for entry in open_store().list()]
        return stages.count("train")

    before = trained()
    with pytest.raises(ValueError, match="no trainable scale of a BatchNormalization"):
        quick(seed=77, fine_tune={"epochs": 1, "regularizer": {"penalty": "batchnorm"}})
    assert trained() == before


@pytest.mark.slow
def test_models_are_mended_before_they_are_fine_tuned(quick):
    mended = quick(target={"ratio": 0.95}, fine_tune={"epochs": 0})
    bare = quick(correct={"method": "none"}, target={"ratio": 0.95}, fine_tune={"epochs": 0})
    assert "correct" in [stage.name for stage in mended.stages]
    assert "correct" not in [stage.name for stage in bare.stages]
    assert mended.pruned.loss < bare.pruned.loss
    assert mended.sparsity == bare.sparsity == pytest.approx(0.95, abs=1e-4)
    target = {"ratio": 0.5, "pattern": "channel"}
    cut = [
        quick(correct={"method": method}, target=target)
        for method in ("none", "bias", "least_squares")
    ]
    assert cut[2].pruned.loss < cut[1].pruned.loss < cut[0].pruned.loss
    assert len({report.fine_tuned.parameters for report in cut}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["set", "rigl"])
def test_masks_move_and_the_ratio_is_kept(method, quick):
    dynamic = {"method": method, "frequency": 20}
    report = quick(fine_tune={"epochs": 2, "dynamic": dynamic})
    before, after = _masks(report)
    assert after.kept() == before.kept()
    moved = sum(int((before[path] & ~after[path]).sum()) for path in before)
    assert moved > 0.1 * before.kept()
    # What grew on a pixel that is always black is still zero.
    assert 0.9 - 1e-4 <= report.sparsity < 0.95
    target = {"ratio": 0.9, "schedule": "iterative", "rounds": 2}
    report = quick(target=target, fine_tune={"epochs": 1, "dynamic": dynamic})
    assert 0.9 - 1e-4 <= report.sparsity < 0.95


@pytest.mark.slow
def test_regularizers_of_both_trainings(quick, tmp_path):
    import keras

    hard = {"penalty": "hard", "ratio": 0.8}
    report = quick(train={"epochs": 1, "regularizer": hard}, target={"ratio": 0.5})
    assert report.dense.nonzero == report.dense.prunable - round(0.8 * report.dense.prunable)
    group = {"penalty": "group_lasso", "strength": 0.3, "growth": 0}
    report = quick(
        target={"ratio": 0.5}, fine_tune={"epochs": 1, "learning_rate": 0.01, "regularizer": group}
    )
    assert report.sparsity > 0.55
    model = keras.saving.load_model(tmp_path / "out" / "model.keras")
    kernels = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]
    assert any(np.any(~kernel.any(axis=0)) for kernel in kernels)  # whole neurons
