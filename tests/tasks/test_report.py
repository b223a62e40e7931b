"""The stage `report`: what the run found, in the output folder and in the UI."""

from __future__ import annotations

import importlib.resources
import json

import jsonschema
import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from secateur.flows.parameters import PruneParameters
from secateur.models.config import ModelConfig
from secateur.models.files import load_model
from secateur.models.weights import content_digest
from secateur.report.markdown import to_markdown
from secateur.report.schema import Report
from secateur.report.tables import layer_table
from secateur.tasks.evaluate import evaluate
from secateur.tasks.explain import explain
from secateur.tasks.report import report
from secateur.tasks.train import train
from secateur.training.config import TrainConfig


@pytest.fixture
def ran(data, tmp_path, prefect_server):
    """A report of real stages on small data: three times the dense model."""
    dense = train.task.fn(data=data, model=ModelConfig(), train=TrainConfig(epochs=1), seed=1)
    subjects = ("dense", "pruned", "fine_tuned")

    def evaluated(subject):
        found = evaluate.task.fn(data=data, model=dense, subject=subject)
        # Called outside a flow, a result that was in the store comes as a state.
        return found.data if hasattr(found, "data") else found

    evaluations = {subject: evaluated(subject) for subject in subjects}
    models = {"dense": dense, "tuned": dense, "scores": None, "masks": None}
    told = explain.task.fn(data=data, **models, fits=[dense])
    given = PruneParameters(target={"ratio": 0.5}, output=tmp_path / "out").resolved()

    @flow
    def reporting():
        parameters = given.model_dump(mode="json")
        results = [dense, *evaluations.values(), told]
        out = tmp_path / "out"
        return report(parameters, results, evaluations, {}, dense, out, None, told, "the command")

    return reporting(), dense, tmp_path / "out"


def _artifact(key):
    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)[0]


def test_a_real_report_is_what_is_published_and_shown(ran):
    written, dense, out = ran
    text = (out / "report.json").read_text(encoding="utf-8")
    assert Report.model_validate_json(text) == written
    schema = (importlib.resources.files("secateur.report") / "report.schema.json").read_text()
    jsonschema.validate(json.loads(text), json.loads(schema))
    assert content_digest(load_model(out / "model.keras")) == dense.digest
    assert [(s.name, s.subject, s.cached) for s in written.stages] == [
        ("train", None, False),
        ("evaluate", "dense", False),
        ("evaluate", "pruned", True),
        ("evaluate", "fine_tuned", True),
        ("explain", None, False),
    ]
    kernels = 4 * 64 + 64 * 32 + 32 * 3
    assert (written.dense.prunable, written.dense.nonzero) == (kernels, kernels)
    assert written.dense.flops >= 2 * kernels
    assert written.sparsity == 0
    assert json.loads(text)["parameters"]["target"]["ratio"] == 0.5
    shown = _artifact("report").data
    assert shown.startswith(to_markdown(written))
    assert f"{out}/report.html" in shown
    page = (out / "report.html").read_text(encoding="utf-8")
    for told in ("the command", "Of 20 test examples", *(stage.key for stage in written.stages)):
        assert told in page
    assert len(list(out.glob("tensorboard/train/*/events.*"))) == 2
    header, rows = layer_table(written)
    assert json.loads(_artifact("layers").data) == [
        dict(zip(header, row, strict=True)) for row in rows
    ]
