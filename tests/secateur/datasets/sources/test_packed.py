"""Compressed CSV files beside the same files as they are."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pandas as pd
import pytest
import zstandard

from secateur.datasets.config import DatasetConfig
from secateur.datasets.layout import find, kind_of
from secateur.datasets.load import materialize
from secateur.datasets.names import check_dataset

_PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "zst": zstandard.compress}


def _load(path, tmp_path):
    out = tmp_path / f"out-{path.name}"
    out.mkdir()
    config = DatasetConfig(path=str(path))
    check_dataset(config)
    return materialize(config, out)


@pytest.fixture(scope="module")
def content():
    """2.5 MB, with a row of 1.2 MB and line breaks in texts."""
    random = np.random.default_rng(0)
    words = ["red, or\nso", "green", 'a "b"', "w" * 1_200_000]
    chosen = np.array(words, object)[np.append(random.integers(0, 3, 39_998), [3, 3])]
    frame = pd.DataFrame({"n": random.normal(size=40_000), "word": chosen})
    return frame.assign(label=np.arange(40_000) % 2).to_csv(index=False).encode()


@pytest.mark.parametrize("ending", _PACKERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_is_packed_is_read_as_what_is_not(ending, encoding, content, tmp_path):
    if encoding != "utf-8":
        content = content[:100_000].rpartition(b"\n")[0].decode().encode(encoding)
    (tmp_path / "d.csv").write_bytes(content)
    packed = tmp_path / f"d.csv.{ending.upper()}"
    # In two parts, one after another, as parallel packers write them.
    half = len(content) // 2
    packed.write_bytes(_PACKERS[ending](content[:half]) + _PACKERS[ending](content[half:]))
    plain, other = _load(tmp_path / "d.csv", tmp_path), _load(packed, tmp_path)
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(other.split(name).x, plain.split(name).x)
        np.testing.assert_array_equal(other.split(name).y, plain.split(name).y)
    names = [column.name for column in other.understood.columns]
    assert names == ["n", "word", "label"]


@pytest.mark.parametrize("ending", _PACKERS)
@pytest.mark.parametrize("harm", ["cut", "plain"])
def test_what_is_damaged_is_one_sentence(ending, harm, content, tmp_path):
    packed = _PACKERS[ending](content)
    packed = packed[: len(packed) // 2] if harm == "cut" else content[:1000]
    path = tmp_path / f"d.csv.{ending}"
    path.write_bytes(packed)
    with pytest.raises(ValueError, match=r"'d\.csv\.\w+' is cut short, damaged") as caught:
        _load(path, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_an_open_quote_is_found_in_what_is_packed(tmp_path):
    rows = "a,label\n" + "".join(f"{k},x\n" for k in range(50)) + '3,"x\n4,y\n'
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(rows.encode()))
    with pytest.raises(ValueError, match="opened and never closed"):
        _load(tmp_path / "d.csv.gz", tmp_path)


def test_shards_and_splits_that_are_packed(tmp_path):
    for name in ("train_00", "train_01", "Test"):
        (tmp_path / f"{name}.csv.gz").write_bytes(b"")
    place = find(str(tmp_path))
    assert place.kind == "csv"
    assert {split: len(files) for split, files in place.splits.items()} == {"train": 2, "test": 1}
    records = tmp_path / "records"
    records.mkdir()
    for name in ("train_00", "train_01", "cats-test"):
        (records / f"{name}.tfrecord.gz").write_bytes(b"")
    place = find(str(records))
    assert {split: len(files) for split, files in place.splits.items()} == {"train": 2, "test": 1}
    assert [kind_of(tmp_path / n) for n in ("a.csv.xz", "a.npz.gz", "a.gz", "a")] == [None] * 4
