"""What is read of a Parquet file, beside pyarrow's own rows."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur.datasets.config import DatasetConfig
from secateur.datasets.places import check_place, find
from secateur.datasets.sources.table import read

_TYPES = {
    **{kind: st.integers(0, 100) for kind in (pa.int8(), pa.uint16(), pa.int64(), pa.uint64())},
    **{
        kind: st.floats(-1e4, 1e4, width=16).map(lambda value: float(np.float16(value)))
        for kind in (pa.float16(), pa.float32(), pa.float64())
    },
    pa.bool_(): st.booleans(),
    pa.decimal128(9, 3): st.decimals(-999, 999, places=3, allow_nan=False),
    pa.decimal256(50, 2): st.decimals(-999, 999, places=2, allow_nan=False),
    pa.dictionary(pa.int8(), pa.int32()): st.integers(0, 5),
    pa.list_(pa.float32(), 3): st.lists(st.integers(0, 9), min_size=3, max_size=3),
    pa.list_(pa.list_(pa.int16())): st.lists(
        st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=2
    ),
}
_TEXT_TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int16(), pa.string()),
]


def _load(path, **config):
    config = DatasetConfig(path=str(path), **config)
    check_place(config)
    return read(find(str(path)), config, path.parent)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_rows_are_those_of_pyarrow(tmp_path, data):
    kinds = data.draw(st.lists(st.sampled_from(list(_TYPES)), min_size=1, max_size=4))
    rows = data.draw(st.integers(1, 8))
    columns = {
        f"c{number}": pa.array(
            data.draw(st.lists(_TYPES[kind], min_size=rows, max_size=rows)),
            kind.value_type if pa.types.is_dictionary(kind) else kind,
        )
        for number, kind in enumerate(kinds)
    }
    for name, kind in zip(columns, kinds, strict=True):
        if pa.types.is_dictionary(kind):
            columns[name] = columns[name].dictionary_encode()
    labels = data.draw(st.lists(st.sampled_from("xyz"), min_size=rows, max_size=rows))
    label = pa.array(labels, data.draw(st.sampled_from(_TEXT_TYPES)))
    table = pa.table({**columns, "label": label})
    path = tmp_path / "data.parquet"
    groups = data.draw(st.integers(1, 3))
    pa.parquet.write_table(table, path, row_group_size=groups)
    raw = _load(path)["train"]
    assert raw.targets["label"].tolist() == labels
    wanted = [
        np.concatenate([np.asarray(row[name], np.float64).reshape(-1) for name in columns])
        for row in table.to_pylist()
    ]
    got = raw.inputs[""]
    np.testing.assert_array_equal(got.reshape(rows, -1), np.array(wanted, np.float32))
    if len(kinds) == 1:
        assert got.shape[1:] == (np.asarray(table["c0"][0].as_py()).shape or (1,))


def test_a_file_of_many_row_groups_larger_than_any_block(tmp_path):
    rows = 400_000
    random = np.random.default_rng(0)
    values = random.normal(size=(rows, 3)).astype(np.float32)
    names = np.array(["red", "green", "blue"])[random.integers(0, 3, rows)]
    path = tmp_path / "data.parquet"
    table = pa.table({"a": values[:, 0], "b": values[:, 1], "c": values[:, 2], "label": names})
    pa.parquet.write_table(table, path, row_group_size=30_000)
    raw = _load(path)["train"]
    np.testing.assert_array_equal(raw.inputs[""], values)
    assert (raw.targets["label"] == names).all()


@pytest.mark.parametrize("name", [None, "id", "label"])
def test_the_index_of_pandas_is_no_feature(name, tmp_path):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "target": [0, 1, 0]})
    frame.index = pd.Index([5, 7, 3], name=name)
    path = tmp_path / "data.parquet"
    frame.to_parquet(path)
    raw = _load(path)["train"]
    np.testing.assert_array_equal(raw.inputs[""], [[1], [2], [3]])
    stored = name or "__index_level_0__"
    assert f"{stored!r} of 'data.parquet' is no feature" in raw.understood.notices[0]
    chosen = _load(path, features=(stored,), target=("target",))["train"]
    np.testing.assert_array_equal(chosen.inputs[""], [[5], [7], [3]])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (["x", None, "NA", "y"], "lacks a value in 2 of 4 examples (the first is row 2 of 'd.par"),
        ([1.0, float("nan"), 2.0, 0.0], "lacks a value in 1 of 4 examples (the first is row 2"),
        ([None] * 4, "lacks a value in 4 of 4"),
        ([datetime.date(2020, 1, 1)] * 4, "holds date32[day]; allowed are numbers"),
        (
            [[1, 2], [1], [2], [3]],
            "lists of 2 and of 1 values; each row has to have as many (row 2",
        ),
        ([["a"]] * 4, "allowed are lists of numbers"),
        ([[1, None], [1, 2], [1, 2], [1, 2]], "lacks a value in 1 of 4"),
        ([{"a": 1}] * 4, "holds struct<a: int64>; allowed"),
        ([b"\xff\xfe"] * 4, "holds binary; allowed"),
    ],
)
@pytest.mark.parametrize("role", ["a", "label"])
def test_what_cannot_be_read_is_told_with_its_row(values, sentence, role, tmp_path):
    path = tmp_path / "d.parquet"
    other = {"a": "label", "label": "a"}[role]
    pa.parquet.write_table(pa.table({role: values, other: [0, 1, 0, 1]}), path)
    with pytest.raises(ValueError, match=r"\S") as error:
        _load(path)
    assert f"The column {role!r}" in str(error.value)
    assert sentence in str(error.value)


def test_labels_of_decimals_are_their_numbers(tmp_path):
    path = tmp_path / "d.parquet"
    labels = pa.array([decimal.Decimal(value) for value in ("0.0", "1.5", "-2.0")])
    pa.parquet.write_table(pa.table({"a": [1, 2, 3], "label": labels}), path)
    assert _load(path)["train"].targets["label"].tolist() == [0.0, 1.5, -2.0]


def test_whole_numbers_that_float32_does_not_tell_apart_are_told(tmp_path):
    path = tmp_path / "d.parquet"
    times = 1_700_000_000 + np.arange(64)
    pa.parquet.write_table(pa.table({"time": times, "label": np.arange(64) % 2}), path)
    (notice,) = _load(path)["train"].understood.notices
    lost = 64 - len(np.unique(times.astype(np.float32)))
    assert f"float32 rounds: {lost} of its 64 different values" in notice


def test_files_with_and_without_a_dictionary_go_together(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    names = pa.array(["x", "y"])
    pa.parquet.write_table(pa.table({"a": [1, 2], "label": names}), folder / "train.parquet")
    shard = pa.table({"a": [1.5], "label": names[:1].dictionary_encode()})
    pa.parquet.write_table(shard, folder / "test.parquet")
    raw = _load(folder)
    assert raw["test"].targets["label"].tolist() == ["x"]
    np.testing.assert_array_equal(raw["test"].inputs[""], [[1.5]])
