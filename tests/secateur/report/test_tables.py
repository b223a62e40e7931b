"""The rows that all faces of the report show."""

from __future__ import annotations

import json

from secateur.report.markdown import markdown_table, to_markdown
from secateur.report.tables import cost_table, layer_table, stage_table, summary


def test_costs_stand_side_by_side_with_what_changed(report):
    header, rows = cost_table(report)
    assert header == ["", "dense", "pruned", "fine-tuned", "change"]
    assert rows == [
        ["accuracy", "93.12%", "50.00%", "91.87%", "-1.25 points"],
        ["loss", "0.2500", "1.5000", "0.3000", ""],
        ["parameters", "1,100", "1,100", "1,100", "the same"],
        ["nonzero weights", "1,000", "100", "100", "10.0x less"],
        ["FLOPs", "9,400", "9,400", "9,400", "the same"],
        ["bytes (.keras)", "12,345", "12,345", "12,345", "the same"],
        ["bytes (.keras, gzip)", "4,000", "4,000", "1,000", "4.0x less"],
        ["sparsity", "0.00%", "90.00%", "90.00%", ""],
    ]


def _row(report, name):
    return next(row for row in cost_table(report)[1] if row[0] == name)


def test_what_grew_is_more_and_not_less(report):
    grown = report.fine_tuned.model_copy(update={"flops": 18_800})
    assert _row(report.model_copy(update={"fine_tuned": grown}), "FLOPs")[-1] == "2.0x more"


def test_what_was_not_counted_says_so(report):
    subjects = ("dense", "pruned", "fine_tuned")
    uncounted = {s: getattr(report, s).model_copy(update={"flops": None}) for s in subjects}
    row = _row(report.model_copy(update=uncounted), "FLOPs")
    assert row == ["FLOPs", *["not counted"] * 3, ""]


def test_a_model_of_zeros_has_no_factor(report):
    empty = report.fine_tuned.model_copy(update={"nonzero": 0})
    assert _row(report.model_copy(update={"fine_tuned": empty}), "nonzero weights")[-2:] == [
        "0",
        "",
    ]


def test_layers_and_stages(report):
    header, rows = layer_table(report)
    assert header == ["layer", "kind", "weights", "nonzero", "sparsity"]
    assert rows[0] == ["a|b", "Dense", "900", "50", "94.44%"]
    header, rows = stage_table(report)
    assert header == ["stage", "result", "seconds", "key"]
    assert rows == [
        ["load_data", "cached", "1.50", "0123456789ab"],
        ["train", "built", "1.50", "0123456789ab"],
        ["prune-2", "built", "1.50", "0123456789ab"],
        ["evaluate-fine_tuned", "built", "1.50", "0123456789ab"],
    ]


def test_one_sentence_says_what_came_out(report):
    assert summary(report) == (
        "90.0% of the 1,000 prunable weights are zero; accuracy went from 93.12% (dense) to "
        "91.87% (pruned and fine-tuned) on the test split."
    )


def test_a_markdown_table_has_a_ruler_and_escapes_bars():
    text = markdown_table(["name", "size"], [["a|b", "1"], ["c", "2"]])
    assert text == "| name | size |\n| --- | ---: |\n| a\\|b | 1 |\n| c | 2 |\n"


def test_the_markdown_holds_every_part(report):
    text = to_markdown(report)
    assert text.startswith("# Pruning simple_net on mnist_5k\n\n90.0% of the 1,000")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## Before and after",
        "## Layers",
        "## Notices",
        "## Stages",
        "## Parameters",
    ]
    for table in (cost_table(report), layer_table(report), stage_table(report)):
        assert f"\n\n{markdown_table(*table)}\n" in text
    assert "- The layer 'logits' kept 50 weights.\n" in text
    parameters = text.partition("```json\n")[2].partition("```")[0]
    assert json.loads(parameters) == report.parameters


def test_a_run_without_notices_says_so(make):
    assert "## Notices\n\nNone.\n" in to_markdown(make(notices=[]))


def test_the_title_names_a_file_or_a_factory(make):
    for given, told in (
        ({"path": "nets/a.keras"}, "a.keras"),
        ({"factory": "nets:small"}, "nets:small"),
    ):
        model = {"name": None, "path": None, "factory": None, **given}
        text = to_markdown(make(parameters={"model": model, "dataset": {"name": "cifar10"}}))
        assert text.startswith(f"# Pruning {told} on cifar10\n")
