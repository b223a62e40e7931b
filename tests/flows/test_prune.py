"""The flow `prune`, called from Python."""

from __future__ import annotations

import pytest

STAGES = [
    *("load_data", "train", "importance", "prune", "fine_tune", "prune"),
    *("evaluate", "evaluate", "evaluate", "explain"),
]
"""The second `prune` removes the channels that weights leave nothing of."""


def _cached(report):
    return [stage.name for stage in report.stages if stage.cached]


def _built(report):
    return [stage.name for stage in report.stages if not stage.cached]


def test_the_report_says_what_the_model_is(quick, tmp_path):
    import keras
    import numpy as np

    from secateur.report.schema import Report

    report = quick()
    assert [stage.name for stage in report.stages] == STAGES
    assert Report.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    model = keras.saving.load_model(tmp_path / "out" / "model.keras")
    kernels = [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]
    size = sum(kernel.size for kernel in kernels)
    nonzero = sum(np.count_nonzero(kernel) for kernel in kernels)
    # Units that came out all zero are gone from the file, with what read them.
    assert (report.fine_tuned.prunable, report.fine_tuned.nonzero) == (size, nonzero)
    whole, kept = report.dense.prunable, report.pruned.nonzero
    assert report.dense.nonzero == report.pruned.prunable == whole >= size
    assert kept == whole - round(0.9 * whole)
    assert report.sparsity == 1 - kept / whole
    assert 0.98 * kept < nonzero <= kept


def test_a_second_run_builds_nothing_and_another_ratio_only_what_follows(ran, quick):
    assert _cached(ran) == []
    second = quick()
    assert _built(second) == []
    assert second.fine_tuned == ran.fine_tuned
    other = quick(target={"ratio": 0.5})
    assert _built(other) == ["prune", "fine_tune", "prune", "evaluate", "evaluate", "explain"]


def test_refresh_runs_a_stage_again_and_what_follows_stays(ran, quick):
    again = quick(refresh=["train"])
    assert _built(again) == ["train"]  # the same weights, so the same digest


def test_another_seed_of_fine_tuning_shares_the_dense_model(ran, quick):
    other = quick(fine_tune={"epochs": 1, "seed": 7})
    assert _built(other) == ["fine_tune", "prune", "evaluate", "explain"]


def test_a_run_is_named_and_tagged(ran, quick):
    from prefect import get_client

    quick(target={"ratio": 0.75})
    with get_client(sync_client=True) as client:
        run = client.read_flow_runs(limit=1, sort="START_TIME_DESC")[0]
    assert run.name == "prune-mnist_5k-simple_net-0.75"
    assert {"mnist_5k", "magnitude"} <= set(run.tags)


def test_globs_that_match_nothing_are_refused_before_training(quick):
    from secateur.store import open_store

    with pytest.raises(ValueError, match="nothing_like_it"):
        quick(target={"ratio": 0.9, "include": ["nothing_like_it"]})
    names = [path.parent.name for path in (open_store().root / "objects").glob("*/*/manifest.json")]
    assert len(names) == 1  # load_data alone


def test_nothing_that_a_run_uses_is_collected_before_its_end(ran, quick, monkeypatch):
    import secateur.flows.prune
    from secateur.store import open_store

    write = secateur.flows.prune.report
    held = []

    def collect_first(*arguments):
        found = open_store().collect(max_bytes=0)
        held.append((found.pinned, found.removed))
        return write(*arguments)

    monkeypatch.setattr(secateur.flows.prune, "report", collect_first)
    quick()
    assert held == [(len(STAGES), [])]
    assert len(open_store().collect(max_bytes=0).removed) == len(STAGES)


def _files():
    from secateur.store import open_store

    return sorted(path for path in open_store().root.glob("objects/*/*/files/*") if path.is_file())


@pytest.mark.parametrize("harm", ["delete", "flip", "truncate"])
def test_a_harmed_file_of_the_store_is_noticed_and_built_again(harm, ran, quick):
    whole = {path: path.read_bytes() for path in _files()}
    assert len(whole) >= len(STAGES)
    for path, content in whole.items():
        if harm == "delete":
            path.unlink()
        elif harm == "flip":
            middle = len(content) // 2
            flipped = bytes([content[middle] ^ 1])
            path.write_bytes(content[:middle] + flipped + content[middle + 1 :])
        else:
            path.write_bytes(content[:-1])
    again = quick()
    assert _built(again) == STAGES
    assert again.fine_tuned.metrics == ran.fine_tuned.metrics
    assert again.fine_tuned.nonzero == ran.fine_tuned.nonzero


def test_one_harmed_file_rebuilds_one_stage(ran, quick):
    masks = [path for path in _files() if path.name == "masks.npz"]
    masks[0].write_bytes(b"no masks")
    assert _built(quick()) == ["prune"]
