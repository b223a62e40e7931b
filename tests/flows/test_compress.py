"""The flow `compress`: each step smaller than the one before, and measured."""

from __future__ import annotations

import json

import pytest

from secateur.evaluation.runtimes import open_model
from secateur.flows.compress import find_compressed
from secateur.flows.compress_parameters import CompressParameters
from secateur.flows.pipeline import look_up
from secateur.report.compress import CompressReport, compress_markdown
from secateur.report.data_tables import card_summary
from tests.flows.conftest import check_names


@pytest.mark.slow
def test_each_step_is_smaller_and_the_final_files_are_written(tmp_path, prefect_server):
    from secateur.flows.compress import compress

    given = {
        "train": {"epochs": 2},
        "fine_tune": {"epochs": 1},
        "importance": {"criterion": "magnitude"},
        "steps": {
            "channels": 0.5,
            "weights": 0.8,
            "quantize": "int8",
            "accuracy_drop": 0.05,
        },
        "output": tmp_path / "out",
    }
    report = compress(**given)
    names = ["dense", "channels removed", "weights removed", "clustered, quantized"]
    assert [step.name for step in report.steps] == names
    dense, channels, weights, quantized = report.steps
    assert channels.parameters < 0.7 * dense.parameters
    assert weights.parameters == channels.parameters
    assert weights.nonzero == pytest.approx(0.2 * channels.nonzero, rel=0.01)
    sizes = [step.bytes.gzip for step in report.steps]
    assert sizes == sorted(sizes, reverse=True)
    assert channels.flops <= 0.5 * dense.flops * 1.05
    out = tmp_path / "out"
    check_names(out, "compress", ("litert",), "int8")
    assert {path.name for path in out.iterdir()} == {
        ".secateur.json",
        "compress.json",
        "compress.md",
        "data.html",
        "model.keras",
        "model.tflite",
        "model_int8.tflite",
    }
    assert quantized.bytes.raw == (out / "model_int8.tflite").stat().st_size
    assert open_model(out / "model_int8.tflite").batch is None
    assert CompressReport.model_validate(json.loads((out / "compress.json").read_text())) == report
    assert (out / "compress.md").read_text() == compress_markdown(report)
    assert card_summary(report.data_card) in (out / "data.html").read_text()
    assert all(f"| {name} |" in compress_markdown(report) for name in names)
    assert find_compressed(CompressParameters(**given), look_up)


def test_both_steps_share_all_but_the_target():
    parameters = CompressParameters(seed=3, steps={"channels": 0.4, "weights": 0.6})
    first, second = parameters.channels(), parameters.weights()
    assert (first.target.pattern, first.target.measure, first.target.ratio) == (
        "channel",
        "flops",
        0.4,
    )
    assert (second.target.pattern, second.target.ratio) == ("weight", 0.6)
    assert (second.export.clusters, second.export.quantize) == (16, "dynamic_int8")
    same = {"target"}
    assert first.model_dump(exclude=same) == second.model_dump(exclude=same)


def test_the_dense_model_teaches_unless_it_is_told_not_to():
    """What is given of a group leaves the rest of it as it is."""
    tuning = CompressParameters(fine_tune={"epochs": 3, "distill": {"temperature": 5}}).weights()
    assert (tuning.fine_tune.epochs, tuning.fine_tune.distill.temperature) == (3, 5)
    assert tuning.fine_tune.distill.weight == 0.5
    untaught = CompressParameters(fine_tune={"distill": {"weight": 0}}).weights()
    assert not untaught.fine_tune.distill.used
