"""Damaged and hostile files: one sentence, nothing executed, no data set left behind."""

from __future__ import annotations

import io
import os
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize
from secateur.datasets.names import check_dataset


def _load(config, folder):
    check_dataset(config)
    materialize(config, folder)


@pytest.fixture
def refused(tmp_path):
    """Asserts that a configuration is refused in one sentence, and gives it."""

    def run(**config):
        folder = tmp_path / "out"
        folder.mkdir()
        with pytest.raises(ValueError, match=r"\S") as error:
            _load(DatasetConfig(**config), folder)
        assert "\n" not in str(error.value)
        assert "Traceback" not in str(error.value)
        assert not (folder / "info.json").exists()
        assert not (folder / "scratch").exists()
        return str(error.value)

    return run


def _records(path, count=20):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for i in range(count):
            feature = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=[i, 1.0])),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[i % 2])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    return path


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_tfrecord(damage, tmp_path, refused):
    path = _records(tmp_path / "data.tfrecord")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-7]
    elif damage == "flipped":
        content[len(content) // 2] ^= 255
    else:
        content = bytearray() if damage == "empty" else bytearray(b"x,y\n1,2\n" * 30)
    path.write_bytes(content)
    sentence = refused(path=str(path))
    assert (
        "holds no records" if damage == "empty" else "is cut short or damaged after"
    ) in sentence


def _shards(folder, total=3):
    folder.mkdir()
    names = [f"train-{number:05}-of-{total:05}.tfrecord" for number in range(total)]
    return [_records(folder / name) for name in names]


def test_a_missing_shard(tmp_path, refused):
    first, *others = _shards(tmp_path / "data")
    for file in others:
        file.unlink()
    sentence = refused(path=str(tmp_path / "data"))
    assert "which lacks 'train-00001-of-00003.tfrecord' and 1 more; copy it" in sentence
    with pytest.raises(ValueError, match="lacks 'train-00001"):  # before TensorFlow, too
        check_dataset(DatasetConfig(path=str(tmp_path / "data")))
    check_dataset(DatasetConfig(path=str(first)))  # one file that was named is all there is


def test_a_shard_cut_short_is_named(tmp_path, refused):
    _, second, _ = _shards(tmp_path / "data")
    second.write_bytes(second.read_bytes()[:-7])
    sentence = refused(path=str(tmp_path / "data"))
    assert "'train-00001-of-00003.tfrecord' is cut short or damaged after 19 records" in sentence


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder of a prepared TFDS data set, `shards_of_a_test`, in three files."""

    class ShardsOfATest(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            label = tfds.features.ClassLabel(num_classes=3)
            image = tfds.features.Image(shape=(4, 6, 1))
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return tfds.core.DatasetInfo(
                builder=self, features=features, supervised_keys=("image", "label")
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(30), "test": self._generate_examples(6)}

        def _generate_examples(self, count):
            for i in range(count):
                yield i, {"image": np.full((4, 6, 1), i, np.uint8), "label": i % 3}

    folder = tmp_path_factory.mktemp("prepared")
    in_three = tfds.download.DownloadConfig(num_shards=3)
    ShardsOfATest(data_dir=str(folder)).download_and_prepare(download_config=in_three)
    return folder


@pytest.mark.parametrize("features", [(), ("image",)])
@pytest.mark.parametrize("harm", ["missing", "cut", "emptied", "flipped"])
def test_a_shard_of_a_prepared_data_set(harm, features, prepared, tmp_path, refused):
    shutil.copytree(prepared, tmp_path / "tfds")
    (shard,) = (tmp_path / "tfds").rglob("*train*-00001-of-00003")
    content = bytearray(shard.read_bytes())
    if harm == "missing":
        shard.unlink()
    elif harm == "cut":
        shard.write_bytes(content[:-9])
    elif harm == "emptied":
        shard.write_bytes(b"")
    else:
        content[len(content) // 2] ^= 255
        shard.write_bytes(content)
    sentence = refused(name="shards_of_a_test", data_dir=str(tmp_path / "tfds"), features=features)
    assert f"{shard.name!r}" in sentence
    assert ("lacks" if harm == "missing" else "is cut short or damaged") in sentence


def test_records_that_are_no_examples_or_differ(tmp_path, refused):
    path = tmp_path / "data.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff\xff\xff no example")
    assert "is no tf.train.Example" in refused(path=str(path))


def test_a_record_with_another_number_of_values(tmp_path, refused):
    path = tmp_path / "data.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for count in (2, 3):
            feature = {
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0] * count)),
                "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[0])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    assert "another number in the others (3 in record 2 of 'data.tfrecord')" in refused(
        path=str(path)
    )


class _Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.system, (f"touch {self._path}",)


def test_objects_in_an_npz_are_not_unpickled(tmp_path, refused):
    bomb = np.array([_Bomb(tmp_path / "exploded")] * 4, dtype=object)
    np.savez(tmp_path / "data.npz", x=bomb, y=np.arange(4) % 2)
    assert "holds Python objects" in refused(path=str(tmp_path / "data.npz"))
    assert not (tmp_path / "exploded").exists()


def test_a_damaged_npz(tmp_path, refused):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.random.default_rng(0).random((50, 4)), y=np.arange(50) % 2)
    path.write_bytes(path.read_bytes()[:-200])
    assert "is no readable npz file" in refused(path=str(path))


def test_an_npz_that_claims_more_than_it_holds(tmp_path, refused):
    path = tmp_path / "data.npz"
    head = io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**6)}
    np.lib.format.write_array_header_1_0(head, claim)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", head.getvalue() + b"\0" * 80)
        labels = io.BytesIO()
        np.save(labels, np.arange(10))
        archive.writestr("y.npy", labels.getvalue())
    assert "cannot be read as npz" in refused(path=str(path))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a,b,label\n1,2,0\n\n1,2\n",
            "Row 2 of 'data.csv' (line 4) has 2 values where the header has 3",
        ),
        ("a,b,kind\n1,2,0\n", "has no label, target or y, only 'a', 'b', 'kind'; say by"),
        ("a,a,label\n1,2,0\n", "has two columns 'a'"),
        (
            "a,b,label\n1,2,1\n1,,0\n1, NA,1\n",
            "The column 'b' of 'data.csv' lacks a value in 2 of 3 examples (the first is row 2 of "
            "'data.csv'); fill them in, or leave those rows out, or the column",
        ),
        (
            "a,b,label\n1,2,1\n1,inf,0\n",
            "'b' of 'data.csv' is no finite number in 1 rows (the first is row 2 of 'data.csv')",
        ),
        ("a,b,label\n1,1e39,0\n1,2,1\n", "too large for float32 (the first is row 1"),
        ("a,b,label\n1,x,0\n1,y,1\n", "The column 'b' of 'data.csv' holds text"),
        ("a,b,label\n1,2,-1\n1,2,2\n", "the label -1 in 'label'"),
        ("a,b,label\n1,2,1\n1,2,1\n", "no example of the class 0"),
        ("a,b,label\n1,2,0\n1,2,0\n", "has one class alone"),
        ("a,b,label\n1,2,0\n1,2,9999999999\n", "no example of the class 1 "),
        ("a,b,label\n", "has no rows"),
        ("", "is empty"),
        ("label\n1\n0\n", "has nothing beside the target"),
    ],
)
def test_a_wrong_csv(text, sentence, tmp_path, refused):
    (tmp_path / "data.csv").write_text(text)
    assert sentence in refused(path=str(tmp_path / "data.csv"))


def test_a_wrong_column_is_refused_before_any_work(tmp_path, refused):
    (tmp_path / "data.csv").write_text("a,b,label\n1,2,0\n")
    sentence = refused(path=str(tmp_path / "data.csv"), features=("a", "c"))
    assert "dataset.features names 'c', which 'data.csv' does not have; it has 'a', 'b'" in sentence


def test_a_label_above_the_classes(tmp_path, refused):
    (tmp_path / "data.csv").write_text("a,label\n" + "1,0\n2,1\n3,7\n" * 5)
    sentence = refused(path=str(tmp_path / "data.csv"), classes=3)
    assert "the label 7 in 'label' (example 3); allowed are 0 to 2" in sentence


def _pets(folder):
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (8, 8), (i, i, i)).save(folder / name / f"{i}.png")
    return folder


@pytest.mark.parametrize("content", ["text", "cut", "svg", "empty", "huge"])
def test_an_image_that_is_none(content, tmp_path, refused):
    file = _pets(tmp_path / "pets") / "dog" / "3.png"
    if content == "cut":
        Image.effect_noise((8, 8), 50).save(file)
        file.write_bytes(file.read_bytes()[:60])
    elif content == "huge":
        picture = bytearray(file.read_bytes())
        picture[16:24] = b"\x00\x02\x00\x00" * 2  # 131,072 pixels each way, by its head
        file.write_bytes(picture)
    else:
        texts = {"text": b"no image", "svg": b"<svg><script/></svg>", "empty": b""}
        file.write_bytes(texts[content])
    sentence = refused(path=str(tmp_path / "pets"))
    assert "'3.png'" in sentence
    assert "is damaged" in sentence or "is no image that can be read" in sentence


def test_wrong_folders_of_images(tmp_path, refused):
    pets = _pets(tmp_path / "pets")
    (pets / "fish").mkdir()
    assert "'fish' of 'pets' holds no images" in refused(path=str(pets))


def test_a_class_that_only_the_test_split_has(tmp_path, refused):
    _pets(tmp_path / "pets" / "train")
    (_pets(tmp_path / "pets" / "test") / "dog").rename(tmp_path / "pets" / "test" / "fish")
    assert "has a folder 'fish', but the training split has none" in refused(
        path=str(tmp_path / "pets")
    )


def test_images_of_two_sizes(tmp_path, refused):
    pets = _pets(tmp_path / "pets")
    Image.new("RGB", (9, 8)).save(pets / "cat" / "9.png")
    assert "differ in size" in refused(path=str(pets))


def test_splits_that_would_be_empty(tmp_path, refused):
    (tmp_path / "data.csv").write_text("a,label\n1,0\n2,1\n")
    assert "leaves an empty" in refused(path=str(tmp_path / "data.csv"), test=0.01)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("data.xlsx", "allowed are files that end in .csv, .tsv, .parquet, .npz"),
        ("nothing.csv", "where nothing is"),
    ],
)
def test_other_files(entry, sentence, tmp_path, refused):
    (tmp_path / "data.xlsx").write_bytes(b"PK")
    assert sentence in refused(path=str(tmp_path / entry))


def test_splits_of_two_kinds(tmp_path, refused):
    folder = tmp_path / "data"
    folder.mkdir()
    np.savez(folder / "train.npz", x=np.zeros((4, 2)), y=np.arange(4) % 2)
    (folder / "test.csv").write_text("a,label\n1,0\n")
    assert "csv and npz side by side" in refused(path=str(folder))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("raise RuntimeError('no disk')", "RuntimeError: no disk"),
        ("return 3", "gave 3; it has to give a tf.data.Dataset"),
        ("return {'trainee': None}", "gave the splits trainee; allowed are train"),
        ("return tf.data.Dataset.range(3)", "yields single pairs"),
    ],
)
def test_a_factory_that_fails(body, sentence, tmp_path, refused, monkeypatch):
    name = f"bad_data_{abs(hash(body))}"
    (tmp_path / f"{name}.py").write_text(f"import tensorflow as tf\ndef build():\n    {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", name)
    assert sentence in refused(factory=f"{name}:build")


def test_a_factory_that_is_not_allowed_is_not_imported(tmp_path, refused, monkeypatch):
    (tmp_path / "not_allowed_data.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("SECATEUR_MODEL_MODULES", raising=False)
    assert "which the operator has not allowed" in refused(factory="not_allowed_data:build")
