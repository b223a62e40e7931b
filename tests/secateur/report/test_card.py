"""`model_card.md`, read by the Hub's own library."""

from __future__ import annotations

import pytest

from secateur.report.card import to_card
from secateur.report.evidence import Evidence
from secateur.report.tables import summary

hub = pytest.importorskip("huggingface_hub", reason="the package huggingface_hub is missing")


def test_the_hub_reads_what_the_model_is_and_what_it_is_worth(report, evidence):
    card = hub.ModelCard(to_card(report, evidence))
    assert card.data.library_name == "keras"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.datasets == ["mnist_5k"]
    (result,) = card.data.eval_results
    assert (result.task_type, result.dataset_name) == ("image-classification", "mnist_5k")
    assert result.dataset_split == "test"
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.9187)
    assert card.data.model_name == "simple_net-pruned"
    assert summary(report) in card.text
    assert evidence.command in card.text
    assert "The layer 'logits' kept 50 weights." in card.text
    assert "batches of 28×28×1, float32, values multiplied by 0.00392157" in card.text


def test_data_of_the_users_own_are_called_after_their_file(make):
    parameters = {**make().parameters, "dataset": {"path": "/home/somebody/sales.csv"}}
    text = to_card(make(parameters=parameters), Evidence())
    assert hub.ModelCard(text).data.datasets == ["sales.csv"]
    assert "trained on sales.csv" in text
    assert "somebody" not in text


def test_what_the_hub_writes_again_is_the_same(report, evidence):
    card = hub.ModelCard(to_card(report, evidence))
    again = hub.ModelCard(str(card))
    assert again.data.to_dict() == card.data.to_dict()


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("classification", "tabular-classification"),
        ("regression", "tabular-regression"),
        ("token_classification", "token-classification"),
        ("something_new", "other"),
    ],
)
def test_the_task_is_one_of_the_hub(task, told, make):
    assert hub.ModelCard(to_card(make(task=task), Evidence())).data.pipeline_tag == told


def test_the_class_that_lost_most_is_named(report, evidence):
    changes = evidence.explanation.changes
    lost = max(changes.classes, key=lambda c: (c.right_before - c.right_after) / c.examples)
    points = 100 * (lost.right_before - lost.right_after) / lost.examples
    text = to_card(report, evidence)
    assert f"Here class {lost.name} lost most: {points:.1f} points of accuracy." in text
