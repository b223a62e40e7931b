"""No faster is said where it is no faster."""

from __future__ import annotations

import pytest

from secateur.evaluation.schema import Latency
from secateur.report.speed import change, unquantized, verdict
from secateur.report.tables import cost_table


def latency(median, spread=0.05):
    return Latency(median=median, p10=median * (1 - spread), p90=median * (1 + spread))


@pytest.fixture
def timed(make, report):
    """A report with latencies of LiteRT, by the medians of both models."""

    def made(dense, final, flops=None, name="litert-1"):
        before = report.dense.model_copy(update={"latency_ms": {"litert-1": latency(dense)}})
        after = {"latency_ms": {name: latency(final)}}
        if flops is not None:
            after["flops"] = flops
        return make(dense=before, fine_tuned=report.fine_tuned.model_copy(update=after))

    return made


def test_without_a_measurement_nothing_is_said(report):
    assert verdict(report) is None


def test_faster_is_said_with_both_times(timed):
    said = verdict(timed(1.0, 0.5))
    assert said == "It is 2.0x faster: 0.5 ms a call, and 1 ms of the dense model (litert-1)."


def test_zeros_are_no_faster_and_channels_would_be(timed):
    said = verdict(timed(1.0, 0.99))
    assert said.startswith("It is no faster, beyond the noise of timing: 0.99 ms a call")
    assert "target.pattern channel" in said


def test_channels_that_are_no_faster_have_another_reason(timed):
    said = verdict(timed(1.0, 0.99, flops=5_000))
    assert "no faster" in said
    assert "round_to 16" in said
    assert "pattern channel" not in said


@pytest.mark.parametrize(
    ("dense", "final", "said"),
    [
        (latency(1.0), latency(0.5), "2.0x faster"),
        (latency(1.0), latency(2.0), "2.0x slower"),
        (latency(1.0), latency(0.97), "no faster"),
        (latency(1.0, 0.5), latency(0.9, 0.5), "no faster"),
        (None, latency(0.5), ""),
    ],
)
def test_a_change_is_more_than_noise(dense, final, said):
    assert change(dense, final) == said


def test_a_quantized_file_is_compared_with_the_dense_float_one(timed):
    assert unquantized("litert-int8-1") == "litert-1"
    assert unquantized("onnxruntime-2-batch32") == "onnxruntime-2-batch32"
    _, rows = cost_table(timed(1.0, 0.25, name="litert-int8-1"))
    assert ["ms (litert-int8-1)", "1", "", "0.25", "4.0x faster"] in rows
