"""Exports in the flow: files in the output folder, figures in the report, and failures."""

from __future__ import annotations

import importlib.resources
import json

import jsonschema
import pytest

from secateur.datasets.dataset import Dataset
from secateur.evaluation.machine import cores
from secateur.evaluation.runtimes import open_model
from secateur.flows.parameters import PruneParameters
from secateur.flows.pipeline import find
from secateur.report.speed import verdict
from secateur.store import open_store


@pytest.mark.slow
def test_every_format_is_written_checked_and_measured(quick, tmp_path):
    """Another run finds it all; the report fits the published schema."""
    export = {"formats": ["keras", "litert", "onnx", "saved_model"], "quantize": "int8"}
    report = quick(export=export)
    out = tmp_path / "out"
    names = ["keras", "litert", "onnx", "saved_model", "litert-int8"]
    assert [record.name for record in report.exports] == names
    for record in report.exports:
        assert (out / record.file).exists()
        assert record.metrics["accuracy"] == pytest.approx(
            report.fine_tuned.metrics["accuracy"], abs=1e-6 if "-" not in record.name else 0.02
        )
    (data,) = [e for e in open_store().list() if e.stage == "load_data"]
    dataset = Dataset(open_store().get(data.key).directory)
    x, y = dataset.test.arrays()
    right = (open_model(out / "model_int8.tflite").predict(x).argmax(-1) == y).mean()
    assert report.exports[-1].metrics["accuracy"] == pytest.approx(right)
    runtimes = {f"{r}-{n}" for r in ("litert", "onnxruntime") for n in {1, cores()}}
    runtimes |= {f"keras-{cores()}"}
    timed = runtimes | {f"{name}-batch32" for name in runtimes}
    assert set(report.dense.latency_ms) == timed
    assert timed < set(report.fine_tuned.latency_ms)
    assert "litert-int8-1" in report.fine_tuned.latency_ms
    assert report.pruned.latency_ms is None
    assert report.fine_tuned.bytes["litert"].raw == (out / "model.tflite").stat().st_size
    assert report.fine_tuned.bytes["csr"].raw < report.dense.bytes["csr"].raw
    assert set(report.fine_tuned.memory) == {"litert", "litert-int8", "onnxruntime"}
    schema = (importlib.resources.files("secateur.report") / "report.schema.json").read_text()
    jsonschema.validate(json.loads((out / "report.json").read_text()), json.loads(schema))
    said = verdict(report)
    assert said
    assert said in (out / "report.md").read_text()
    given = PruneParameters.model_validate({**report.parameters}).resolved()
    assert find(given) is not None


@pytest.mark.slow
def test_a_file_that_is_not_the_model_fails_the_run_and_nothing_is_written(
    quick, tmp_path, monkeypatch
):
    from secateur.evaluation.runtimes.litert import LiteRT

    wrong = LiteRT.predict
    monkeypatch.setattr(LiteRT, "predict", lambda self, x: wrong(self, x) + 1)
    with pytest.raises(ValueError, match="litert differs from the Keras model"):
        quick(export={"formats": ["litert"]})
    assert not (tmp_path / "out").exists()
    assert list((open_store().root / "tmp").iterdir()) == []
    assert "export" not in {entry.stage for entry in open_store().list()}


def test_a_format_whose_runtime_is_missing_is_refused_before_work(tmp_path, monkeypatch):
    from secateur.evaluation.runtimes import packages

    monkeypatch.setitem(packages.PACKAGES, "onnx", ("no_such_runtime",))
    given = {"target": {"ratio": 0.5}, "export": {"formats": ["onnx"]}, "output": tmp_path / "out"}
    with pytest.raises(ValueError, match=r"install the extra by pip install 'secateur\[onnx\]'"):
        PruneParameters.model_validate(given).check()
    assert not (tmp_path / "out").exists()
