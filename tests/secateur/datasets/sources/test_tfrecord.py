"""What is read of records, beside `tf.io`; and what is told of those that differ."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secateur.datasets.config import DatasetConfig
from secateur.datasets.places import check_place, find
from secateur.datasets.raw import ROWS
from secateur.datasets.sources.tfrecord import read


def _feature(values):
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _write(path, records, compression=""):
    """Writes dicts of lists as records."""
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression)) as writer:
        for record in records:
            feature = {name: _feature(values) for name, values in record.items() if values}
            features = tf.train.Features(feature=feature)
            writer.write(tf.train.Example(features=features).SerializeToString())
    return path


def _load(path, tmp_path, **config):
    config = DatasetConfig(path=str(path), **config)
    check_place(config)
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return read(find(str(path)), config, scratch)


_VALUES = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
}


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_records_are_those_of_tf_io(tmp_path, data):
    """Names, kinds, lengths and compressions as they come."""
    names = data.draw(
        st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3, unique=True)
    )
    names = [name for name in names if name != "label"] or ["x"]
    kinds = {name: data.draw(st.sampled_from(sorted(_VALUES))) for name in names}
    lengths = {name: data.draw(st.integers(1, 4)) for name in names}
    count = data.draw(st.integers(1, 5))
    records = [
        {
            **{
                name: data.draw(
                    st.lists(_VALUES[kinds[name]], min_size=lengths[name], max_size=lengths[name])
                )
                for name in names
            },
            "label": [data.draw(st.sampled_from([b"cat", "\u00e9t\u00e9".encode()]))],
        }
        for _ in range(count)
    ]
    compression = data.draw(st.sampled_from(["", "GZIP", "ZLIB"]))
    path = _write(tmp_path / "data.tfrecord", records, compression)
    raw = _load(path, tmp_path)["train"]
    spec = {
        name: tf.io.FixedLenFeature(
            [] if lengths[name] == 1 else [lengths[name]],
            tf.int64 if kinds[name] == "int" else tf.float32,
        )
        for name in names
    }
    own = tf.data.TFRecordDataset(str(path), compression).map(
        lambda record: tf.io.parse_single_example(record, spec)
    )
    for name in names:
        wanted = np.stack([each[name] for each in own.as_numpy_iterator()])
        np.testing.assert_array_equal(raw.inputs[name], wanted)
    assert raw.targets["label"].tolist() == [each["label"][0].decode() for each in records]
    assert raw.understood.compression == (compression.lower() or None)
    assert raw.understood.where("train", count - 1) == f"record {count} of 'data.tfrecord'"


@pytest.mark.parametrize("name", ["train.tfrecord.gz", "train.tfrecord", "train-1.tfrecords.gz"])
def test_compressed_records_in_a_folder(name, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    _write(folder / name, [{"x": [1.0], "y": [k % 2]} for k in range(3000)], "GZIP")
    raw = _load(folder, tmp_path)
    assert len(raw["train"]) == 3000


def test_a_record_as_long_as_the_first_bytes_of_a_compressed_file(tmp_path):
    """The length comes first: 0x78 is 120 bytes, and how zlib begins."""
    for text in range(60, 120):
        path = _write(tmp_path / "data.tfrecord", [{"x": [b"a" * text], "y": [1]}])
        if path.read_bytes()[0] == 0x78:
            break
    assert path.read_bytes()[0] == 0x78
    assert len(_load(path, tmp_path)["train"]) == 1


_PIXELS = [
    {"image_raw": [bytes([k] * 28)], "height": [4], "width": [7], "y": [k % 2]} for k in range(9)
]


def test_raw_pixels_are_recognised_and_read_with_their_flags(tmp_path):
    path = _write(tmp_path / "data.tfrecord", _PIXELS)
    with pytest.raises(ValueError, match=r"28 raw bytes in each record") as error:
        _load(path, tmp_path)
    assert """--dataset.features '["image_raw"]' --dataset.shape '[4, 7, 1]'""" in str(error.value)
    with pytest.raises(ValueError, match=r"dataset.shape 5 7 needs 35, one for each value"):
        _load(path, tmp_path, features=("image_raw",), shape=(5, 7))
    raw = _load(path, tmp_path, features=("image_raw",), shape=(4, 7, 1))["train"]
    wanted = tf.stack(
        [tf.reshape(tf.io.decode_raw(r["image_raw"][0], tf.uint8), (4, 7, 1)) for r in _PIXELS]
    )
    np.testing.assert_array_equal(raw.inputs["image_raw"], wanted)
    assert [c.name for c in raw.understood.columns if c.role == "left out"] == ["height", "width"]


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (
            {"y": [1]},
            "'x' of 'data.tfrecord' is in 9 of 10 records (the first without it is record 8",
        ),
        ({"x": [1.0, 2.0]}, "'y' of 'data.tfrecord' is in 9 of 10 records"),
        (
            {"x": [1.0, 2.0], "y": [1], "z": [3]},
            "'z' of 'data.tfrecord' is in 1 of 10 records (the first without it is record 1 of",
        ),
        ({"x": [1, 2], "y": [1]}, "holds float_list in 9 records and int64_list in 1 records"),
        ({"x": [1.0], "y": [1]}, "holds 2 values in 9 of 10 records, and another number in the"),
    ],
)
def test_a_record_that_differs_is_told_with_their_number(record, sentence, tmp_path):
    records = [{"x": [0.5, k * 1.0], "y": [k % 2]} for k in range(10)]
    records[7] = record
    path = _write(tmp_path / "data.tfrecord", records)
    with pytest.raises(ValueError, match=r"\S") as error:
        _load(path, tmp_path)
    assert sentence in str(error.value)


def test_bytes_that_are_nothing_known_are_told_with_their_record(tmp_path):
    texts = [b"plain", b"gr\xfcn", b"other"]
    path = _write(tmp_path / "data.tfrecord", [{"x": [t], "y": [1]} for t in [*texts, b"a longer"]])
    with pytest.raises(ValueError, match=r"nor text in UTF-8 \(the first are in record 2 of"):
        _load(path, tmp_path)


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_a_file_larger_than_every_block(compression, tmp_path):
    """The reader's buffer has 256 KB, and so many records are parsed at a time; one has 3 MB."""
    random = np.random.default_rng(0)
    count, long = ROWS * 2 + 500, bytes(random.integers(32, 127, 3_000_000, np.uint8))
    texts = [bytes(random.integers(97, 123, 900, np.uint8)) for _ in range(count)]
    texts[ROWS + 7] = long
    lists = random.normal(size=(count, 200)).astype(np.float32)
    records = [
        {"text": [t], "x": row.tolist(), "y": [k % 3]}
        for k, (t, row) in enumerate(zip(texts, lists, strict=True))
    ]
    path = _write(tmp_path / "data.tfrecord", records, compression)
    raw = _load(path, tmp_path)["train"]
    assert raw.inputs["text"].tolist() == [text.decode() for text in texts]
    np.testing.assert_array_equal(raw.inputs["x"], lists)
    assert raw.targets["y"].tolist() == [k % 3 for k in range(count)]
    cut = tmp_path / "cut.tfrecord"
    cut.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        ValueError, match=r"'cut.tfrecord' is cut short or damaged after \d+ records"
    ):
        _load(cut, tmp_path)
