"""A run on a user's table: the card of the data in its report and in the UI, and its encoder."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

import secateur
from secateur.datasets.card.describe import describe
from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize
from secateur.report.data_tables import card_summary
from secateur.report.markdown import card_markdown

_NAMES = ("train", "test")


@pytest.fixture
def folder(tmp_path):
    """A table with a column of words, whose class is that of the word."""
    random = np.random.default_rng(0)
    folder = tmp_path / "table"
    folder.mkdir()
    for name, count in zip(_NAMES, (160, 40), strict=True):
        words = np.array(["red", "green", "blue"])[random.integers(0, 3, count)]
        frame = pd.DataFrame({"n": random.normal(size=count), "word": words})
        frame.assign(label=np.where(words == "red", "warm", "cold")).to_csv(
            folder / f"{name}.csv", index=False
        )
    return folder


def _artifact(key):
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)[0]


def test_the_report_and_the_ui_tell_of_the_data_and_rows_are_encoded(quick, folder, tmp_path):
    given = {"dataset": {"path": str(folder)}, "model": {"name": "tabular_mlp"}}
    report = quick(**given, train={"epochs": 20})
    out = tmp_path / "out"
    loaded = tmp_path / "loaded"
    loaded.mkdir()
    data = materialize(DatasetConfig(path=str(folder)), loaded)
    card = describe(data)
    assert report.data_card == card.without_pictures()
    assert card_summary(card) in (out / "report.html").read_text()
    assert card_summary(card) in (out / "report.md").read_text()
    assert "encoder.json" in (out / "model_card.md").read_text()
    assert _artifact("data").data == card_markdown(card)

    encode = secateur.load_encoder(out)
    frame = pd.read_csv(folder / "test.csv")
    np.testing.assert_array_equal(encode(frame), data.test.x)
    answers = keras.saving.load_model(out / "model.keras").predict(encode(frame), verbose=0)
    said = np.array(encode.class_names)[answers.argmax(axis=1)]
    right = float((said == frame["label"]).mean())
    assert right == pytest.approx(report.fine_tuned.metrics["accuracy"], abs=1e-6)
    assert right > 0.9

    again = quick(**given, train={"epochs": 20})
    assert all(stage.cached for stage in again.stages)
    assert again.data_card == report.data_card
