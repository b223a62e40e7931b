"""`transfer.html`: the curves of the models, and the tables beside them."""

from __future__ import annotations

import pytest

from secateur.evaluation.schema import Cost, FileSize, LayerCount
from secateur.report.record import StageRecord
from secateur.report.transfer import SourceFacts, TransferReport, transfer_summary
from secateur.report.transfer_html import choices, to_html


def _cost(accuracy, nonzero):
    return Cost(
        loss=0.5,
        metrics={"accuracy": accuracy},
        parameters=120,
        prunable=100,
        nonzero=nonzero,
        flops=240,
        bytes={"keras": FileSize(raw=1000, gzip=500)},
        latency_ms=None,
    )


@pytest.fixture
def transfer():
    long = {"loss": [2.0, 1.0], "accuracy": [0.5, 0.6], "val_accuracy": [0.4, 0.7]}
    return TransferReport(
        schema_version=1,
        parameters={"dataset": {"name": "<digits>"}},
        task="classification",
        source=SourceFacts(path="<out>", parameters=1200, sparsity=0.9),
        models={"transferred": _cost(0.9, 10), "scratch": _cost(0.8, 10), "pruned": _cost(0.7, 5)},
        histories={"transferred": long, "scratch": long, "pruned": {"loss": [0.9]}},
        layers=[LayerCount(name="dense", kind="Dense", parameters=100, nonzero=5, sparsity=0.95)],
        stages=[StageRecord(name="transfer", key="0" * 64, cached=False, seconds=1.5)],
        notices=["The head was <cut>."],
    )


def test_each_model_has_its_curve_and_the_pruned_one_goes_on(transfer):
    accuracy, loss = choices(transfer)
    assert [trace["name"] for trace in accuracy["data"]] == ["transferred", "from scratch"]
    assert accuracy["data"][0]["y"] == [0.4, 0.7]  # on validation data
    assert loss["data"][2]["name"] == "pruned further"
    assert loss["data"][2]["x"] == [3]


def test_the_page_has_what_the_report_has_and_names_are_no_markup(transfer):
    page = to_html(transfer)
    assert transfer_summary(transfer) in page
    assert "&lt;digits&gt;" in page
    assert "The head was &lt;cut&gt;." in page
    assert not any(name in page for name in ("<digits>", "<out>", "<cut>"))
    assert len(page.encode()) < 1_500_000
