"""`report.html`: what stands in it, and how little it needs."""

from __future__ import annotations

import html
import json
import math
import re
from html.parser import HTMLParser

import pytest

from secateur.evaluation.schema import FileSize, Latency
from secateur.export.schema import Export
from secateur.report.evidence import Evidence
from secateur.report.figures_training import POINTS
from secateur.report.markdown import lost_examples
from secateur.report.page import _SECTIONS, to_html
from secateur.report.speed import verdict
from secateur.report.tables import cost_table, summary

VOID = {"meta", "link", "input", "img", "br", "hr"}


class _Page(HTMLParser):
    """Reads a page and notes what matters; any element that is not closed in order fails."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources, self.open, self.text = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []
        self.seen = " ".join(" ".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        self.sources += [found[name] for name in ("src", "href") if name in found and tag != "a"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)


def _figures(text):
    (found,) = re.findall(
        r'<script type="application/json" id="figures">(.*?)</script>', text, re.S
    )
    return json.loads(found)


def test_every_part_of_the_evidence_is_there(make, checks, evidence):
    report = make(checks=checks)
    text = to_html(report, evidence)
    page = _Page(text)
    assert summary(report) in page.seen
    for row in cost_table(report)[1]:
        assert " ".join(cell for cell in row if cell) in page.seen
    assert [i for i in page.ids if i in _SECTIONS] == list(_SECTIONS)
    assert page.links == [f"#{name}" for name in _SECTIONS]
    assert set(_figures(text)) == {
        *("size", "layers", "weights", "scores", "loss", "metric", "classes"),
    }
    changes = evidence.explanation.changes
    assert f"{changes.lost} were right before alone" in page.seen
    assert all(f"#{flip.index}" in page.seen for flip in changes.flips)
    assert evidence.command in page.seen
    assert "The layer 'logits' kept 50 weights." in page.seen
    for record in report.stages:
        assert record.key in page.seen


def test_it_needs_nothing_from_outside(report, evidence):
    page = _Page(to_html(report, evidence))
    assert page.sources
    assert all(source.startswith("data:") for source in page.sources)


def test_it_is_small(report, evidence):
    assert len(to_html(report, evidence).encode()) < 1_500_000


def test_texts_of_users_are_no_markup(make, evidence):
    name = "</script><b onload=x>&amp;"
    layers = [layer.model_copy(update={"name": name}) for layer in make().layers]
    told = evidence.explanation
    weights = [w.model_copy(update={"path": name, "layer": name}) for w in told.weights]
    changed = told.model_copy(update={"weights": weights})
    given = Evidence(**{**vars(evidence), "explanation": changed})
    text = to_html(make(layers=layers, notices=[name]), given)
    page = _Page(text)
    assert name in page.seen
    assert "<b onload" not in text
    # plotly.js reads a few elements in labels, so names reach it escaped.
    (layer,) = _figures(text)["layers"]
    assert all(html.unescape(label) == name for label in layer["layout"]["yaxis"]["ticktext"])
    assert "<" not in json.dumps(layer["layout"]["yaxis"]["ticktext"])


def test_a_run_without_evidence_has_fewer_sections(report):
    page = _Page(to_html(report, Evidence()))
    assert [i for i in page.ids if i in _SECTIONS] == ["cost", "layers", "notices", "lineage"]
    assert page.links == ["#cost", "#layers", "#notices", "#lineage"]


def test_a_run_that_is_no_classification_has_no_classes(make, evidence):
    told = evidence.explanation.model_copy(update={"changes": None})
    given = Evidence(**{**vars(evidence), "explanation": told, "pictures": None})
    text = to_html(make(task="regression"), given)
    assert "changes" not in _Page(text).ids
    assert "classes" not in _figures(text)


def test_a_run_without_masks_or_scores_has_neither(report, evidence):
    told = evidence.explanation
    weights = [weight.model_copy(update={"scores": None}) for weight in told.weights]
    without = told.model_copy(update={"scores": None, "criterion": None, "weights": weights})
    given = Evidence(**{**vars(evidence), "explanation": without, "masks": None})
    text = to_html(report, given)
    assert "masks" not in _Page(text).ids
    assert "scores" not in _figures(text)


def _measured(make):
    """A run with an exported file that is quantized, and timed."""
    small = FileSize(raw=1_200, gzip=900, zstd=800)
    plain = FileSize(raw=5_000, gzip=4_000, zstd=3_900)
    run = make()
    dense = {
        "bytes": {**run.dense.bytes, "litert": plain},
        "latency_ms": {"litert-1": Latency(median=0.5, p10=0.4, p90=0.6)},
    }
    final = {
        "bytes": {**run.fine_tuned.bytes, "litert-int8": small},
        "latency_ms": {"litert-int8-1": Latency(median=0.2, p10=0.15, p90=0.3)},
    }
    export = Export(
        name="litert-int8",
        file="model_int8.tflite",
        sparse=False,
        bytes=small,
        max_difference=1.25e-2,
        metrics={"accuracy": 0.9},
    )
    costs = {"dense": run.dense.model_copy(update=dense)}
    costs["fine_tuned"] = run.fine_tuned.model_copy(update=final)
    return make(**costs, exports=[export])


def test_sizes_are_those_of_the_three_models(make):
    figures = _figures(to_html(make(), Evidence()))
    assert "latency" not in figures
    assert [choice["label"] for choice in figures["size"]] == [
        "nonzero weights",
        "parameters",
        "FLOPs",
        "bytes (.keras)",
        "bytes (.keras, gzip)",
    ]
    points = figures["size"][0]["data"]
    assert [(p["name"], p["x"], p["y"]) for p in points] == [
        ("dense", [1000], [0.9312]),
        ("pruned", [100], [0.5]),
        ("fine-tuned", [100], [0.9187]),
    ]


def test_an_exported_file_is_shown_with_its_own_worth_beside_the_dense_one(make):
    report = _measured(make)
    text = to_html(report, Evidence())
    sizes = {choice["label"]: choice["data"] for choice in _figures(text)["size"]}
    points = sizes["bytes (litert-int8, gzip)"]
    assert [(p["name"], p["x"], p["y"]) for p in points] == [
        ("dense", [4_000], [0.9312]),
        ("fine-tuned", [900], [0.9]),
    ]
    (timed,) = _figures(text)["latency"]
    assert timed["label"] == "ms a call (litert-int8-1)"
    dense, final = timed["data"]
    assert (dense["x"], dense["y"]) == ([0.5], [0.9312])
    assert (final["x"], final["y"]) == ([0.2], [0.9])
    assert final["error_x"]["array"] == pytest.approx([0.1])
    assert final["error_x"]["arrayminus"] == pytest.approx([0.05])
    seen = _Page(text).seen
    assert "model_int8.tflite litert-int8 1,200 900 90.00% 0.0125 plain" in seen
    assert verdict(report) in seen


def test_a_layer_is_left_zero_or_gone(report, evidence):
    cut = evidence.explanation.weights[0].model_copy(
        update={"shape_after": [30, 10], "nonzero_after": 300}
    )
    gone = evidence.explanation.weights[1].model_copy(
        update={"shape_after": None, "values_after": None, "nonzero_after": 0}
    )
    whole = evidence.explanation.weights[2]
    told = evidence.explanation.model_copy(update={"weights": [cut, gone, whole]})
    text = to_html(report, Evidence(**{**vars(evidence), "explanation": told}))
    (choice,) = _figures(text)["layers"]
    assert {trace["name"]: trace["x"] for trace in choice["data"]} == {
        "nonzero": [1 / 3, 0, 0.5],
        "zero": [0, 0, 0.5],
        "removed for good": [2 / 3, 1, 0],
    }
    seen = _Page(text).seen
    assert "a|b Dense 30×30 → 30×10 900 → 300 300 0.00%" in seen
    assert "3×3×2×4 → removed 72 → 0 0 removed" in seen


@pytest.mark.parametrize(("classes", "drawn"), [(30, True), (31, False)])
def test_a_large_confusion_matrix_is_a_list_of_pairs(report, evidence, classes, drawn):
    changes = evidence.explanation.changes
    empty = changes.classes[0].model_copy(update={"examples": 0})
    more = [*changes.classes, *[empty] * (classes - len(changes.classes))]
    told = evidence.explanation.model_copy(
        update={"changes": changes.model_copy(update={"classes": more})}
    )
    page = _Page(to_html(report, Evidence(**{**vars(evidence), "explanation": told})))
    assert ("confusion-after" in page.ids) is drawn
    assert "taken for" in page.seen


def test_the_ui_is_shown_the_examples_that_were_lost(evidence):
    assert "](data:image/png;base64," in lost_examples(evidence)
    assert lost_examples(Evidence()) == ""
    assert lost_examples(Evidence(**{**vars(evidence), "pictures": None})) == ""


def test_a_long_training_has_few_points_and_its_last_epoch(report):
    losses = [1 / (1 + epoch) for epoch in range(2_500)]
    history = {"loss": losses, "accuracy": [math.nan] * 2_500}
    figures = _figures(to_html(report, Evidence(histories={"train": history})))
    (curve,) = figures["loss"][0]["data"]
    assert len(curve["x"]) == len(curve["y"]) <= POINTS
    assert curve["x"][-1] == 2_500
    assert [losses[epoch - 1] for epoch in curve["x"]] == pytest.approx(curve["y"], rel=1e-5)
    assert set(figures["metric"][0]["data"][0]["y"]) == {None}


def test_trainings_stand_one_behind_the_other(report, evidence):
    (choice,) = _figures(to_html(report, evidence))["loss"]
    assert [(t["name"], t["x"]) for t in choice["data"]] == [
        ("training", [1, 2]),
        ("validation", [1, 2]),
        ("training", [3, 4]),
        ("validation", [3, 4]),
    ]
    assert [note["text"] for note in choice["layout"]["annotations"]] == ["train", "fine-tune"]
    (border,) = choice["layout"]["shapes"]
    assert border["x0"] == 2.5
    assert "tickformat" not in choice["layout"]["yaxis"]
    (choice,) = _figures(to_html(report, evidence))["metric"]
    assert "%" in choice["layout"]["yaxis"]["tickformat"]
