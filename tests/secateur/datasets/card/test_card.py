"""What the card tells, beside pandas and NumPy; and what it warns of."""

from __future__ import annotations

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from secateur.datasets.card.describe import describe
from secateur.datasets.card.schema import Card
from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize
from secateur.report.data import to_html
from secateur.report.markdown import card_markdown

_RANDOM = np.random.default_rng(0)


def _card(path, tmp_path, **config):
    out = tmp_path / "out"
    out.mkdir()
    data = materialize(DatasetConfig(path=str(path), **config), out)
    card = describe(data)
    assert Card.model_validate_json(card.model_dump_json()) == card
    return card, data


def test_a_table_is_described_and_its_traps_are_told(tmp_path):
    count = 400
    label = np.array(["rare"] * 8 + ["often"] * 392)
    frame = pd.DataFrame(
        {
            "a": _RANDOM.normal(size=count),
            "same": 3.5,
            "leak": (label == "rare") * 2.0 + _RANDOM.random(count),
            "color": np.array(["red", "green", "blue"])[_RANDOM.integers(0, 3, count)],
            "label": label,
        }
    )
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False)
    card, data = _card(path, tmp_path)
    assert card.splits == {name: len(data.split(name)) for name in card.splits}
    train = data.train.x
    features = {each.name: each for each in card.inputs[0].features}
    names = ["a", "same", "leak", "color = blue", "color = green", "color = red"]
    assert list(features) == names
    for place, name in enumerate(names):
        column, each = np.asarray(train[:, place], np.float64), features[name]
        found = [each.minimum, each.maximum, each.mean, each.deviation]
        wanted = [column.min(), column.max(), column.mean(), column.std()]
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    counts = {each.name: each.examples for each in card.targets[0].classes}
    assert {name: sum(split.values()) for name, split in counts.items()} == {
        "rare": 8,
        "often": 392,
    }
    said = " ".join(card.warnings)
    assert "1 of 6 columns have one value in the whole training split" in said
    assert "'same'" in said
    assert "1 of 2 classes have fewer than 10 training examples: 'rare'" in said
    assert "'often' has 98% of the training examples" in said
    assert "The column 'leak' alone tells the class of 100.0% of the test examples" in said
    assert "'a' alone" not in said
    page = to_html(card)
    assert "color = green" in page
    assert "http://" not in page.split("<script")[0]


def test_a_number_that_gives_the_target_is_told(tmp_path):
    x = _RANDOM.normal(size=(200, 2))
    np.savez(tmp_path / "d.npz", x=x, y=x[:, 0] * 3 + 1)
    card, _ = _card(tmp_path / "d.npz", tmp_path)
    assert [w for w in card.warnings if "alone gives the target" in w]
    assert len(card.warnings) == 1
    assert card.targets[0].ranges[0].name == "target"


@pytest.mark.parametrize("seed", range(3))
def test_without_a_trap_nothing_is_told(seed, tmp_path):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(300, 4)), np.arange(300) % 3
    np.savez(tmp_path / "d.npz", x=x + 0.3 * y[:, None], y=y)
    card, _ = _card(tmp_path / "d.npz", tmp_path)
    assert card.warnings == ()


def test_samples_are_what_the_model_gets(tmp_path):
    images = _RANDOM.integers(0, 256, (40, 6, 5, 3), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x=images, y=np.arange(40) % 4)
    card, _ = _card(tmp_path / "d.npz", tmp_path)
    assert {sample.target[""] for sample in card.samples} == {"0", "1", "2", "3"}
    known = {
        bytes(image): str(label) for image, label in zip(images, np.arange(40) % 4, strict=True)
    }
    for sample in card.samples:
        content = base64.b64decode(sample.inputs[""].partition(",")[2])
        pixels = np.asarray(Image.open(io.BytesIO(content)))
        assert known[pixels.tobytes()] == sample.target[""]


def test_texts_are_shown_by_their_tokens(tmp_path):
    rows = [f"Good <b>film</b> number {k},{('no', 'yes')[k % 2]}" for k in range(40)]
    (tmp_path / "d.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    card, _ = _card(tmp_path / "d.csv", tmp_path)
    assert card.inputs[0].lengths == (4, 4, 4)
    assert all(each.inputs[""].startswith("good bfilmb number") for each in card.samples)
    assert "<b>film" not in to_html(card)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3)])
def test_arrays_of_bytes_are_shown_as_pictures(shape, tmp_path):
    images = _RANDOM.integers(0, 256, (40, *shape), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x=images, y=np.arange(40) % 2)
    card, _ = _card(tmp_path / "d.npz", tmp_path)
    known = {bytes(image) for image in images}
    for sample in card.samples:
        content = base64.b64decode(sample.inputs[""].partition(",")[2])
        assert np.asarray(Image.open(io.BytesIO(content))).tobytes() in known


@pytest.mark.parametrize(("high", "told"), [(1, False), (255, True), (65535, True)])
def test_pictures_that_are_not_scaled_are_told(high, told, tmp_path):
    x = (_RANDOM.random((40, 6, 5, 1)) * high).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(40) % 2)
    card, _ = _card(tmp_path / "d.npz", tmp_path)
    assert any("reach the model as they are" in each for each in card.warnings) == told


def test_classes_and_columns_that_look_like_others_are_told(tmp_path):
    frame = pd.DataFrame(
        {
            "a": _RANDOM.normal(size=60),
            "Target": np.arange(60) % 2,
            "label": np.array(["Yes", "yes", "no"])[np.arange(60) % 3],
        }
    )
    frame.to_csv(tmp_path / "d.csv", index=False)
    card, _ = _card(tmp_path / "d.csv", tmp_path)
    assert "Classes differ in capitals alone: 'Yes', 'yes'." in card.warnings
    assert any(each.startswith("'Target' may be meant as a target") for each in card.notices)


def test_whole_numbers_beyond_float32_and_what_is_not_finite_are_told(tmp_path):
    y = np.arange(40) % 2
    np.savez(tmp_path / "d.npz", x=2**40 + np.arange(80).reshape(40, 2), y=y)
    card, _ = _card(tmp_path / "d.npz", tmp_path)
    assert any(f"as large as {2**40 + 79:,}, which float32 rounds" in n for n in card.notices)
    x = np.ones((40, 3))
    x[12, 1] = np.nan
    np.savez(tmp_path / "e.npz", x=x, y=y)
    with pytest.raises(ValueError, match=r"the first are in example 13 of 'e.npz'"):
        materialize(DatasetConfig(path=str(tmp_path / "e.npz")), _new(tmp_path / "other"))


def _new(folder):
    folder.mkdir()
    return folder


_X = {
    "numbers": _RANDOM.normal(size=(60, 3)),
    "one number": _RANDOM.normal(size=60),
    "whole numbers": _RANDOM.integers(-5, 5, (60, 3)),
    "yes and no": _RANDOM.random((60, 3)) > 0.5,
    "half floats": _RANDOM.normal(size=(60, 4)).astype(np.float16),
    "bytes in a row": _RANDOM.integers(0, 256, (60, 9), np.uint8),
    "sequences": _RANDOM.normal(size=(60, 10, 3)),
    "pictures below 0": _RANDOM.normal(size=(60, 4, 4, 3)).astype(np.float32),
    "constant pictures": np.zeros((60, 4, 4, 1), np.uint8),
    "pictures of 16 bits": _RANDOM.integers(0, 65536, (60, 4, 4, 1)).astype(np.uint16),
    "films": _RANDOM.integers(0, 256, (60, 2, 4, 4, 3), np.uint8),
    "wide": _RANDOM.normal(size=(60, 1500)),
}
_Y = {
    "classes": ({}, np.arange(60) % 3),
    "binary": ({"task": "binary"}, np.arange(60) % 2),
    "names": ({}, np.array(["<a>", "b|"])[np.arange(60) % 2]),
    "labels": ({"task": "multi_label"}, _RANDOM.integers(0, 2, (60, 4))),
    "numbers": ({}, _RANDOM.normal(size=60)),
    "two numbers": ({}, _RANDOM.normal(size=(60, 2))),
    "a constant": ({"task": "regression"}, np.ones(60)),
    "a label for each of several": (
        {"task": "token_classification"},
        np.arange(300).reshape(60, 5) % 3,
    ),
    "maps": ({}, _RANDOM.integers(0, 3, (60, 4, 4))),
    "many classes": ({"classes": 2000}, np.arange(60) % 7),
}


def _shown(path, folder, **config):
    """The card of data, shown in all ways."""
    folder.mkdir()
    card = describe(materialize(DatasetConfig(path=str(path), **config), folder))
    assert f"<title>Data: {path.name}</title>" in to_html(card)
    assert card_markdown(card).startswith(f"# Data: {path.name}")
    assert Card.model_validate_json(card.without_pictures().model_dump_json()).name == path.name
    return card


@pytest.mark.parametrize("inputs", _X)
@pytest.mark.parametrize("validation", [0, 0.2])
def test_inputs_of_any_kind_have_a_card(inputs, validation, tmp_path):
    """A run fails where its data have none."""
    np.savez(tmp_path / "d.npz", x=_X[inputs], y=np.arange(60) % 3)
    card = _shown(tmp_path / "d.npz", tmp_path / "out", validation=validation)
    assert len(card.samples) == 12


@pytest.mark.parametrize("targets", _Y)
def test_targets_of_any_kind_have_a_card(targets, tmp_path):
    config, y = _Y[targets]
    np.savez(tmp_path / "d.npz", x=_X["numbers"], y=y)
    _shown(tmp_path / "d.npz", tmp_path / "out", **config)


def test_several_inputs_outputs_and_language_have_a_card(tmp_path):
    several = {"a": _X["numbers"], "b": _X["constant pictures"]}
    np.savez(tmp_path / "d.npz", **several, kind=np.arange(60) % 3, price=_X["one number"])
    outputs = {"kind": "classification", "price": "regression"}
    card = _shown(tmp_path / "d.npz", tmp_path / "out", outputs=outputs)
    assert [each.name for each in card.targets] == ["kind", "price"]
    assert all(set(each.target) == {"kind", "price"} for each in card.samples)
    rows = [f'"some words, {k} of them\nand a line",x' for k in range(60)]
    (tmp_path / "d.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    features = {"features": ("text",), "task": "language_model", "text_length": 4}
    card = _shown(tmp_path / "d.csv", tmp_path / "words", **features)
    assert card.targets[0].task == "language_model"
    _shown(tmp_path / "d.csv", tmp_path / "letters", tokens="character", **features)
