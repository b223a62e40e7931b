from __future__ import annotations

import pytest

from secateur.evaluation.schema import Cost, FileSize, LayerCount
from secateur.report.record import StageRecord
from secateur.report.schema import Report


def cost(nonzero, accuracy, loss, gzip=4_000, flops=9_400):
    return Cost(
        loss=loss,
        metrics={"accuracy": accuracy},
        parameters=1_100,
        prunable=1_000,
        nonzero=nonzero,
        flops=flops,
        bytes={"keras": FileSize(raw=12_345, gzip=gzip)},
        latency_ms=None,
    )


def record(name, subject=None, cached=False, round=None):
    return StageRecord(
        name=name,
        subject=subject,
        round=round,
        key="0123456789abcdef" * 4,
        cached=cached,
        seconds=1.5,
    )


@pytest.fixture
def make():
    """Makes the report of a small run, with fields of one's own."""

    def report(**changes):
        fields = {
            "schema_version": 1,
            "parameters": {
                "model": {"name": "simple_net", "path": None, "factory": None},
                "dataset": {"name": "mnist_5k"},
                "seed": 1,
            },
            "task": "classification",
            "dense": cost(1_000, 0.9312, 0.25),
            "pruned": cost(100, 0.5, 1.5),
            "fine_tuned": cost(100, 0.9187, 0.3, gzip=1_000),
            "sparsity": 0.9,
            "layers": [
                LayerCount(name="a|b", kind="Dense", parameters=900, nonzero=50, sparsity=17 / 18),
                LayerCount(name="logits", kind="Dense", parameters=100, nonzero=50, sparsity=0.5),
            ],
            "stages": [
                record("load_data", cached=True),
                record("train"),
                record("prune", round=2),
                record("evaluate", "fine_tuned"),
            ],
            "notices": ["The layer 'logits' kept 50 weights."],
            "exports": [],
        }
        return Report(**{**fields, **changes})

    return report


@pytest.fixture
def report(make):
    return make()
