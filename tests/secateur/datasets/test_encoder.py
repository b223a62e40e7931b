"""`encoder.json` beside pandas and what the reader itself makes of the same rows."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import secateur
from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize

_WORDS = st.sampled_from(["red", "green", "blue sky", " lead", 'é;,"', "7"])
_FLOATS = st.floats(-1e6, 1e6, allow_nan=False, width=32)
_WHOLE = st.integers(-(2**62), 2**62)


@st.composite
def _frames(draw):
    """Two frames of rows: what trains, and what is measured, with words that the former lacks."""
    makers = draw(
        st.lists(st.sampled_from([_WORDS, _FLOATS, _WHOLE, st.booleans()]), min_size=1, max_size=4)
    )
    frames = []
    for count in (24, 6):
        columns = {
            f"c{place}": draw(st.lists(maker, min_size=count, max_size=count))
            for place, maker in enumerate(makers)
        }
        if all(maker is _WORDS for maker in makers):
            columns["n"] = list(map(float, range(count)))
        labels = [f"l{place % 3}" for place in range(count)]
        frames.append(pd.DataFrame({**columns, "label": labels}))
    return frames


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(_frames(), st.sampled_from(["csv", "parquet"]))
def test_rows_are_encoded_as_the_model_got_them(tmp_path_factory, frames, kind):
    folder = tmp_path_factory.mktemp("table")
    (folder / "data").mkdir()
    (folder / "out").mkdir()
    for name, frame in zip(("train", "test"), frames, strict=True):
        file = folder / "data" / f"{name}.{kind}"
        frame.to_csv(file, index=False) if kind == "csv" else frame.to_parquet(file)
    config = DatasetConfig(path=str(folder / "data"), validation=0)
    data = materialize(config, folder / "out")
    encode = secateur.load_encoder(folder / "out")
    assert encode.class_names == ("l0", "l1", "l2")
    for split, frame in zip((data.train, data.test), frames, strict=True):
        np.testing.assert_array_equal(encode(frame), split.x)
        np.testing.assert_array_equal(encode(pa.Table.from_pandas(frame)), split.x)
        np.testing.assert_array_equal(encode(frame.to_dict("records")), split.x)
    if kind == "csv":
        with (folder / "data" / "test.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        np.testing.assert_array_equal(encode(rows), data.test.x)


def test_the_columns_of_categories_are_those_of_pandas(tmp_path):
    random = np.random.default_rng(0)
    words = np.array(["a", "b", "c"])[random.integers(0, 3, 60)]
    frame = pd.DataFrame({"word": words, "n": random.normal(size=60), "label": np.arange(60) % 2})
    frame.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "out").mkdir()
    materialize(DatasetConfig(path=str(tmp_path / "d.csv")), tmp_path / "out")
    encode = secateur.load_encoder(tmp_path / "out" / "encoder.json")
    wanted = pd.concat([pd.get_dummies(frame["word"]), frame["n"]], axis=1)
    np.testing.assert_allclose(encode(frame), wanted.to_numpy(np.float64), rtol=1e-6)
    assert encode([{"word": "new", "n": "1.5"}]).tolist() == [[0, 0, 0, 1.5]]


def test_lists_and_a_shape(tmp_path):
    lists = np.arange(40 * 4, dtype=np.float32).reshape(40, 4)
    table = pa.table({"x": list(lists), "label": np.arange(40) % 2})
    pyarrow.parquet.write_table(table, tmp_path / "d.parquet")
    (tmp_path / "out").mkdir()
    config = DatasetConfig(path=str(tmp_path / "d.parquet"), shape=(2, 2, 1))
    data = materialize(config, tmp_path / "out")
    encode = secateur.load_encoder(tmp_path / "out")
    assert encode({"x": lists}).shape == (40, *data.shape)
    np.testing.assert_array_equal(encode(table), lists.reshape(40, 2, 2, 1))
    with pytest.raises(ValueError, match=r"'x' has values of the shape \(3,\) in row 1; .* \(4,\)"):
        encode({"x": lists[:, :3]})


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"color": "red", "size": 1, "new": True}, {"color": "red", "size": 2}], "lack .* 'new'"),
        ([{"color": None, "size": 1, "new": True}], "'color' lacks a value in row 1"),
        ({"color": ["red"], "size": [float("nan")], "new": [True]}, "'size' lacks a value"),
        (
            {"color": ["red"], "size": ["1,5"], "new": [True]},
            "holds '1,5' in row 1; .*finite",
        ),
        ({"color": ["red"], "size": ["inf"], "new": [True]}, "'size' holds 'inf'"),
        ({"color": ["red"], "size": [1], "new": ["perhaps"]}, "a yes or no there"),
        ({"color": ["red"], "size": [1, 2], "new": [True]}, "different numbers of rows"),
        (np.zeros((2, 3)), "lack the column 'color'"),
    ],
)
def test_what_cannot_be_encoded_is_one_sentence(rows, sentence, tmp_path):
    columns = [
        {"name": "color", "kind": "category", "shape": [], "values": ["green", "red"]},
        {"name": "size", "kind": "number", "shape": [], "values": []},
        {"name": "new", "kind": "yes or no", "shape": [], "values": []},
    ]
    written = {"format_version": 1, "columns": columns, "shape": [4], "class_names": None}
    (tmp_path / "encoder.json").write_text(json.dumps(written))
    encode = secateur.load_encoder(tmp_path)
    assert encode([{"color": "red", "size": "2", "new": "True"}]).tolist() == [[0, 1, 2, 1]]
    with pytest.raises(ValueError, match=sentence):
        encode(rows)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        secateur.load_encoder(tmp_path)
    (tmp_path / "encoder.json").write_text('{"columns": 3}')
    with pytest.raises(ValueError, match=r"no encoder\.json"):
        secateur.load_encoder(tmp_path)
