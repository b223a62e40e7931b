"""Notices and checks of stages reach the reports, from the store too."""

from __future__ import annotations

from secateur.proof import Check
from secateur.report.record import StageRecord
from secateur.store import open_store
from secateur.tasks.said import checks_of, notices_of
from secateur.tasks.stage import StageResult


def _check(difference):
    return Check(
        subject="copy",
        statement="A copy is a copy.",
        examples=4,
        difference=difference,
        tolerance=1.0,
        seconds=0.5,
    )


def _stored(key, cached, **metadata):
    with open_store().build(key * 64, stage="prune") as build:
        if build.artifact is None:
            (build.directory / "masks.npz").write_bytes(b"masks")
            build.commit("d" * 64, metadata)
        artifact = build.artifact
    record = StageRecord(name="prune", key=key * 64, cached=cached, seconds=1.0)
    return StageResult(**artifact.reference.model_dump(), record=record)


def test_notices_and_checks_are_gathered_in_order_and_each_stage_counts_once():
    one, two = _check(0.25), _check(0.5)
    first = {"notices": ["a", "b"], "checks": [one.model_dump()]}
    results = [
        _stored("1", False, **first),
        _stored("2", False, notices=["b", "c"], checks=[two.model_dump(), one.model_dump()]),
        _stored("3", False),
        _stored("1", True, **first),
    ]
    assert notices_of(results) == ["a", "b", "c"]
    assert checks_of(results) == [one, two, one]
