"""`report.json` is a contract: its fields, and the schema that is published."""

from __future__ import annotations

import importlib.resources
import json
import subprocess
import sys

import jsonschema
import pytest

from secateur.evaluation.schema import Latency
from secateur.report.schema import Report, json_schema

COST = ["loss", "metrics", "parameters", "prunable", "nonzero", "flops", "bytes", "latency_ms"]
ADDED = ["memory", "checks", "data_card"]


@pytest.fixture
def published():
    """The schema as it is installed."""
    file = importlib.resources.files("secateur.report") / "report.schema.json"
    return file.read_text(encoding="utf-8")


@pytest.fixture
def validate(published):
    validator = jsonschema.validators.validator_for(json.loads(published))
    return validator(json.loads(published)).validate


def test_the_published_schema_is_that_of_the_code(published):
    assert published == json_schema(), "python -m secateur.report.schema writes it anew"


def test_it_is_printed_for_whoever_publishes_it(published):
    command = [sys.executable, "-m", "secateur.report.schema"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == published


def test_it_is_a_schema(published):
    schema = json.loads(published)
    validator = jsonschema.validators.validator_for(schema, default=None)
    assert validator.META_SCHEMA == jsonschema.Draft202012Validator.META_SCHEMA
    validator.check_schema(schema)


def test_a_report_has_the_fields_of_the_contract_in_its_order(report):
    written = json.loads(report.to_json())
    assert list(written) == [
        "schema",
        "parameters",
        "task",
        "dense",
        "pruned",
        "fine_tuned",
        "sparsity",
        "layers",
        "stages",
        "notices",
        "exports",
        "checks",
        "data_card",
    ]
    assert written["schema"] == 1
    for subject in ("dense", "pruned", "fine_tuned"):
        assert list(written[subject]) == [*COST, "memory"]
        assert list(written[subject]["bytes"]["keras"]) == ["raw", "gzip", "zstd"]
        assert written[subject]["latency_ms"] is None
    assert list(written["layers"][0]) == ["name", "kind", "parameters", "nonzero", "sparsity"]
    assert list(written["stages"][0]) == ["name", "subject", "round", "key", "cached", "seconds"]


def test_a_report_fits_the_schema_and_comes_back(make, checks, card, validate):
    slim = card.without_pictures()
    for report in (make(), make(checks=checks), make(data_card=slim)):
        validate(json.loads(report.to_json()))
        assert Report.model_validate_json(report.to_json()) == report


def test_a_check_has_its_fields_and_no_others(make, checks, validate):
    written = json.loads(make(checks=checks).to_json())
    assert [check["subject"] for check in written["checks"]] == ["masks", "copy", "copy", "cut"]
    fields = ["subject", "statement", "examples", "difference", "tolerance", "seconds"]
    assert list(written["checks"][0]) == fields
    for name, value in (("extra", 1), ("subject", "nothing"), ("difference", -1)):
        wrong = {**written["checks"][0], name: value}
        with pytest.raises(jsonschema.ValidationError, match=name):
            validate({**written, "checks": [wrong]})


def test_latency_is_null_or_three_numbers_by_runtime(report, validate):
    latency = {"litert-1": Latency(median=1.0, p10=0.9, p90=1.2)}
    dense = report.dense.model_copy(update={"latency_ms": latency})
    written = json.loads(report.model_copy(update={"dense": dense}).to_json())
    validate(written)
    assert written["dense"]["latency_ms"] == {"litert-1": {"median": 1.0, "p10": 0.9, "p90": 1.2}}
    del written["dense"]["latency_ms"]["litert-1"]["p90"]
    with pytest.raises(jsonschema.ValidationError, match="latency_ms"):
        validate(written)


@pytest.mark.parametrize("subject", ["", "dense", "stages", "layers"])
@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_the_schema_refuses_a_missing_field_and_an_unknown_one(subject, change, report, validate):
    written = json.loads(report.to_json())
    part = written[subject] if subject else written
    part = part[0] if isinstance(part, list) else part
    for name in set(part) - set(ADDED) if change == "missing" else ["extra"]:
        before = dict(part)
        part.pop(name) if change == "missing" else part.update(extra=1)
        with pytest.raises(jsonschema.ValidationError, match=name):
            validate(written)
        part.clear()
        part.update(before)
    validate(written)


def test_what_an_earlier_release_wrote_lacks_what_was_added(report, validate):
    written = json.loads(report.to_json())
    del written["checks"]
    for subject in ("dense", "pruned", "fine_tuned"):
        del written[subject]["memory"]
        for size in written[subject]["bytes"].values():
            del size["zstd"]
    validate(written)
    assert Report.model_validate_json(json.dumps(written)) == report


def test_another_version_is_refused(report, validate):
    written = {**json.loads(report.to_json()), "schema": 2}
    with pytest.raises(jsonschema.ValidationError):
        validate(written)
    with pytest.raises(ValueError, match="schema"):
        Report.model_validate_json(json.dumps(written))


def test_flops_that_were_not_counted_are_null(report, validate):
    dense = report.dense.model_copy(update={"flops": None})
    validate(json.loads(report.model_copy(update={"dense": dense}).to_json()))
