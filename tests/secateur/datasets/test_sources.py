"""Each kind of source gives the examples that were put in, the same ones at every load."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
from PIL import Image

from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize

ROWS = 60
X = np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)
Y = np.arange(ROWS) % 3
NAMES = [f"f{i}" for i in range(4)]


@pytest.fixture
def load(tmp_path):
    """Loads what a configuration names, into a folder of its own each time."""
    count = 0

    def run(**config):
        nonlocal count
        count += 1
        folder = tmp_path / f"out_{count}"
        folder.mkdir()
        return materialize(DatasetConfig(**config), folder)

    return run


def _together(data):
    """Inputs and targets of all splits, in the order of the inputs."""
    x = np.concatenate([np.asarray(s.x) for s in (data.train, data.validation, data.test)])
    y = np.concatenate([np.asarray(s.y) for s in (data.train, data.validation, data.test)])
    order = np.lexsort(x.reshape(len(x), -1).T)
    return x[order], y[order]


def _csv(path, target=Y, header=None):
    lines = [",".join(header or [*NAMES, "label"])]
    lines += [
        ",".join([*map(repr, row.tolist()), str(t)]) for row, t in zip(X, target, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def _example(**values):
    kinds = {
        bytes: lambda v: tf.train.Feature(bytes_list=tf.train.BytesList(value=v)),
        int: lambda v: tf.train.Feature(int64_list=tf.train.Int64List(value=v)),
        float: lambda v: tf.train.Feature(float_list=tf.train.FloatList(value=v)),
    }
    feature = {name: kinds[type(v[0])](v) for name, v in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _tfrecord(path, examples):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example)
    return str(path)


def _table(tmp_path, kind):
    path = tmp_path / f"data.{kind}"
    if kind == "csv":
        return _csv(path)
    if kind == "parquet":
        columns = {name: X[:, i] for i, name in enumerate(NAMES)}
        pyarrow.parquet.write_table(pa.table({**columns, "label": Y}), path)
        return str(path)
    if kind == "npz":
        np.savez(path, x=X, y=Y)
        return str(path)
    rows = zip(X.tolist(), Y.tolist(), strict=True)
    return _tfrecord(path, [_example(x=row, y=[label]) for row, label in rows])


@pytest.mark.parametrize("kind", ["csv", "parquet", "npz", "tfrecord"])
def test_every_row_is_in_one_split_with_its_label(kind, tmp_path, load):
    data = load(path=_table(tmp_path, kind))
    assert (data.task, data.classes, data.shape) == ("classification", 3, (4,))
    assert [len(s) for s in (data.train, data.validation, data.test)] == [42, 6, 12]
    x, y = _together(data)
    order = np.lexsort(X.T)
    np.testing.assert_array_equal(x, X[order])
    np.testing.assert_array_equal(y, Y[order])
    assert (np.bincount(data.test.y) == 4).all()  # each class has the same share
    np.testing.assert_allclose(data.traits.mean, np.asarray(data.train.x).mean(0), rtol=1e-5)


def test_the_same_file_gives_the_same_fingerprint_and_another_value_another(tmp_path, load):
    path = _csv(tmp_path / "data.csv")
    first, again = load(path=path), load(path=path)
    assert first.fingerprint() == again.fingerprint()
    assert first.fingerprint() != load(path=path, test=0.3).fingerprint()
    _csv(tmp_path / "data.csv", target=(Y + 1) % 3)
    assert load(path=path).fingerprint() != first.fingerprint()


def test_columns_can_be_chosen(tmp_path, load):
    path = _csv(tmp_path / "data.csv", header=["a", "b", "c", "price", "kind"])
    data = load(path=path, features=("c", "a"), target=("price",))
    assert (data.task, data.classes, data.shape) == ("regression", 1, (2,))
    assert data.train.y.shape == (43, 1)
    _, price = _together(data)
    np.testing.assert_allclose(np.sort(price[:, 0]), np.sort(X[:, 3]))
    assert data.traits.target_mean == pytest.approx(np.asarray(data.train.y).mean(0).tolist())


@pytest.mark.parametrize(
    ("target", "asked", "task", "classes", "width"),
    [
        (np.array(["no", "yes"])[Y % 2], None, "classification", 2, ()),
        (Y % 2, "binary", "binary", 1, (1,)),
        (Y * 0.5, None, "regression", 1, (1,)),
        (Y, "regression", "regression", 1, (1,)),
    ],
)
def test_the_task_comes_from_the_target_or_the_user(
    target, asked, task, classes, width, tmp_path, load
):
    data = load(path=_csv(tmp_path / "data.csv", target), task=asked)
    assert (data.task, data.classes) == (task, classes)
    assert data.train.y.shape[1:] == width


def test_several_columns_of_zeros_and_ones_are_labels(tmp_path, load):
    bits = np.stack([Y % 2, Y // 2], axis=1)
    np.savez(tmp_path / "data.npz", x=X, a=bits[:, 0], b=bits[:, 1])
    data = load(path=str(tmp_path / "data.npz"), features=("x",), target=("a", "b"))
    assert (data.task, data.classes, data.info["class_names"]) == ("multi_label", 2, ["a", "b"])
    order = np.lexsort(X.T)
    np.testing.assert_array_equal(_together(data)[1], bits[order])


def test_names_of_classes_are_numbered_in_their_order(tmp_path, load):
    names = np.array(["pear", "apple", "fig"])
    data = load(path=_csv(tmp_path / "data.csv", target=names[Y]))
    assert data.info["class_names"] == ["apple", "fig", "pear"]
    order = np.lexsort(X.T)
    np.testing.assert_array_equal(_together(data)[1], np.array([2, 0, 1])[Y][order])


def test_a_label_for_each_token(tmp_path, load):
    np.savez(tmp_path / "data.npz", x=X, y=np.arange(ROWS * 4).reshape(ROWS, 4) % 5)
    data = load(path=str(tmp_path / "data.npz"))
    assert (data.task, data.classes) == ("token_classification", 5)
    assert data.train.y.shape == (43, 4)


def test_several_arrays_are_several_inputs(tmp_path, load):
    images = np.arange(ROWS * 12, dtype=np.uint8).reshape(ROWS, 2, 2, 3)
    np.savez(tmp_path / "data.npz", image=images, table=X, y=Y)
    data = load(path=str(tmp_path / "data.npz"))
    assert data.shape == {"image": (2, 2, 3), "table": (4,)}
    x, y = data.train.arrays()
    rows = [X.tolist().index(row) for row in x["table"].tolist()]
    np.testing.assert_allclose(x["image"], images[rows] / 255, rtol=1e-6)
    np.testing.assert_array_equal(y, Y[rows])


def test_files_of_their_own_are_the_splits(tmp_path, load):
    folder = tmp_path / "data"
    folder.mkdir()
    for name, low, high in (("train", 0, 40), ("val", 40, 50), ("test", 50, 60)):
        np.savez(folder / f"{name}.npz", x=X[low:high], y=Y[low:high])
    data = load(path=str(folder))
    np.testing.assert_array_equal(data.train.x, X[:40])
    np.testing.assert_array_equal(data.validation.x, X[40:50])
    np.testing.assert_array_equal(data.test.x, X[50:])


def test_shards_are_read_in_their_order(tmp_path, load):
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [_example(x=row, y=[label]) for row, label in zip(X.tolist(), Y.tolist(), strict=True)]
    _tfrecord(folder / "train-00000-of-00002.tfrecord", rows[:30])
    _tfrecord(folder / "train-00001-of-00002.tfrecord", rows[30:50])
    _tfrecord(folder / "test-00000-of-00001.tfrecord", rows[50:])
    data = load(path=str(folder), validation=0)
    np.testing.assert_array_equal(data.train.x, X[:50])
    np.testing.assert_array_equal(data.test.y, Y[50:])


def _images(folder, count=10, size=(5, 4), mode="RGB", suffix="png"):
    for label, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            value = 100 * label + i
            color = value if mode == "L" else (value, 0, 0)
            Image.new(mode, size[::-1], color).save(folder / name / f"{i}.{suffix}")
    return str(folder)


@pytest.mark.parametrize(("mode", "channels"), [("RGB", 3), ("L", 1)])
def test_a_folder_of_images_by_class(mode, channels, tmp_path, load):
    data = load(path=_images(tmp_path / "pets", mode=mode))
    assert (data.shape, data.classes) == ((5, 4, channels), 2)
    assert data.info["class_names"] == ["cat", "dog"]
    x, y = _together(data)
    assert x[:, 0, 0, 0].tolist() == [*range(10), *range(100, 110)]
    np.testing.assert_array_equal(y, x[:, 0, 0, 0] // 100)
    assert data.train.arrays()[0].max() <= 1


def test_images_are_resized_and_split_by_folders(tmp_path, load):
    for name, count in (("train", 8), ("test", 4)):
        _images(tmp_path / "pets" / name, count, size=(9, 7), suffix="jpg")
    data = load(path=str(tmp_path / "pets"), image_size=(6, 6), validation=0.25)
    assert data.train.x.shape == (12, 6, 6, 3)
    assert [len(s) for s in (data.validation, data.test)] == [4, 8]


def test_images_and_texts_in_records(tmp_path, load):
    rows = []
    for i in range(20):
        image = np.full((3, 2, 1), i, np.uint8)
        rows.append(_example(image=[tf.io.encode_png(image).numpy()], label=[i % 2]))
    data = load(path=_tfrecord(tmp_path / "a.tfrecord", rows))
    x, y = _together(data)
    assert data.shape == (3, 2, 1)
    np.testing.assert_array_equal(x[:, 0, 0, 0], np.arange(20))
    np.testing.assert_array_equal(y, np.arange(20) % 2)
    texts = [_example(text=[f"wort {i}".encode()], label=[i % 2]) for i in range(20)]
    data = load(path=_tfrecord(tmp_path / "b.tfrecord", texts), text_length=3)
    assert (data.shape, data.train.x.dtype) == ((3,), np.int32)


def test_a_factory_gives_data_sets(tmp_path, load, monkeypatch):
    (tmp_path / "data_of_a_test.py").write_text(
        "import numpy as np, tensorflow as tf\n"
        "def pairs(low, high):\n"
        "    x = np.arange(low, high, dtype=np.float32)[:, None]\n"
        "    return tf.data.Dataset.from_tensor_slices((x, np.arange(low, high) % 2))\n"
        "def build():\n"
        "    return {'train': pairs(0, 3000), 'test': pairs(3000, 3100)}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data = load(factory="data_of_a_test:build", validation=0)
    np.testing.assert_array_equal(data.train.x[:, 0], np.arange(3000))
    np.testing.assert_array_equal(data.test.y, np.arange(3000, 3100) % 2)


def test_flat_numbers_take_a_shape(tmp_path, load):
    data = load(path=_csv(tmp_path / "data.csv"), shape=(2, 2, 1))
    assert data.train.x.shape == (42, 2, 2, 1)
    with pytest.raises(ValueError, match=r"dataset.shape is \(3,\), 3 values, .* 4 values"):
        load(path=_csv(tmp_path / "data.csv"), shape=(3,))


def test_shards_of_an_archive_go_on_from_one_to_the_next(tmp_path, load):
    folder = tmp_path / "shards"
    folder.mkdir()
    whole = np.arange(ROWS * 4, dtype=np.float64).reshape(ROWS, 2, 2)
    np.savez_compressed(folder / "train-1.npz", x=whole[:20].astype(np.float32), y=Y[:20])
    np.savez(folder / "train-2.npz", x=np.asfortranarray(whole[20:]), y=Y[20:])
    x, y = _together(load(path=str(folder)))
    np.testing.assert_array_equal(x, whole)
    np.testing.assert_array_equal(y, Y)
    np.savez(folder / "train-3.npz", x=whole.reshape(ROWS, 4), y=Y)
    with pytest.raises(
        ValueError, match=r"beside .train-1.npz. differ: each needs an array 'x' of numbers"
    ):
        load(path=str(folder))


_LOADING = """
import resource, sys
from pathlib import Path
from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000

before = peak()
data = materialize(DatasetConfig(path=sys.argv[1]), Path(sys.argv[2]))
data.fingerprint()
print(peak() - before)
"""


@pytest.mark.slow
def test_what_does_not_fit_in_memory_is_loaded_a_piece_at_a_time(tmp_path):
    rows, shape = 20_000, (100, 100, 1)
    path, folder = tmp_path / "large.npz", tmp_path / "out"
    folder.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("x.npy", "w") as file:
            head = {"descr": "|u1", "fortran_order": False, "shape": (rows, *shape)}
            np.lib.format.write_array_header_1_0(file, head)
            for _ in range(rows // 1000):
                file.write(bytes(1000 * 10_000))
        with archive.open("y.npy", "w") as file:
            np.save(file, np.arange(rows) % 10)
    done = subprocess.run(
        [sys.executable, "-c", _LOADING, str(path), str(folder)], stdout=subprocess.PIPE, check=True
    )
    megabytes = int(done.stdout.split()[-1])
    assert megabytes < 100, "of 200 in the file"
