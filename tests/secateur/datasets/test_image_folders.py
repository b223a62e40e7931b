"""Folders of images give what Pillow and NumPy give of their files, whatever their modes."""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize
from secateur.datasets.raw import ROWS
from tests.secateur.datasets.pictures.written import png, tiff

FORMS = {
    "L": ("PNG", "BMP", "TIFF", "JPEG", "WEBP"),
    "1": ("PNG", "TIFF"),
    "RGB": ("PNG", "BMP", "TIFF", "JPEG", "WEBP"),
    "P": ("PNG", "GIF", "BMP"),
    "LA": ("PNG",),
    "RGBA": ("PNG", "WEBP"),
    "CMYK": ("TIFF", "JPEG"),
}


def _load(folder, **config):
    with tempfile.TemporaryDirectory() as out:
        data = materialize(DatasetConfig(path=str(folder), **config), Path(out))
        splits = (data.train, data.validation, data.test)
        x = np.concatenate([split.arrays()[0] for split in splits])
        y = np.concatenate([split.arrays()[1] for split in splits])
        return x, y, data.info


def _in_order(x):
    return x[np.lexsort(x.reshape(len(x), -1).T)]


@st.composite
def _pictures(draw):
    """Encoded pictures of several modes and formats, of one size when they stand upright."""
    height, width = draw(st.integers(2, 6)), draw(st.integers(2, 6))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    contents = []
    for mode in draw(st.lists(st.sampled_from(sorted(FORMS)), min_size=1, max_size=3)) * 12:
        form = FORMS[mode][int(random.integers(len(FORMS[mode])))]
        orientation = int(random.integers(1, 9)) if form in ("PNG", "JPEG", "WEBP") else 1
        shape = (width, height) if orientation > 4 else (height, width)
        noise = Image.fromarray(random.integers(0, 256, (*shape, 4)).astype(np.uint8), "RGBA")
        image = (
            noise.convert("RGB").convert(mode)
            if mode not in ("RGBA", "LA")
            else (noise if mode == "RGBA" else noise.convert("LA"))
        )
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"exif": exif} if orientation > 1 else {}
        file = io.BytesIO()
        image.save(file, form, **options, **({"lossless": True} if form == "WEBP" else {}))
        contents.append(file.getvalue())
    return contents


def _reference(content, gray):
    """By Pillow alone."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    if image.has_transparency_data:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, over)
    values = np.asarray(image.convert("L" if gray else "RGB"))
    return values.reshape(*values.shape[:2], -1)


@settings(max_examples=15, deadline=None)
@given(_pictures())
def test_pictures_of_all_modes_and_formats_are_those_of_pillow(contents):
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(contents):
            (Path(folder) / f"{number % 2}").mkdir(exist_ok=True)
            (Path(folder) / f"{number % 2}" / f"{number}.bin").write_bytes(content)
        x, _, info = _load(folder)
    modes = {Image.open(io.BytesIO(content)).mode for content in contents}
    wanted = np.stack([_reference(c, modes <= {"1", "L", "LA"}) for c in contents])
    np.testing.assert_allclose(
        _in_order(x), _in_order(wanted.astype(np.float32) / np.float32(255)), rtol=1e-6
    )
    pictures = info["understood"]["inputs"][""]["pictures"]
    assert (pictures["count"], set(pictures["modes"])) == (len(contents), modes)


def _write(folder, values, encode, per_class=None):
    for number, each in enumerate(values):
        (folder / str(number % 2)).mkdir(parents=True, exist_ok=True)
        (folder / str(number % 2) / f"{number:05}").write_bytes(encode(each))


DEPTHS = {
    "16-bit, all used": (np.uint16, 0, 65535, 0, 65535),
    "16-bit, 12 used": (np.uint16, 0, 4095, 0, 4095),
    "unsigned 32-bit": (np.uint32, 0, 2**32 - 1, 0, 2**32 - 1),
    "signed 16-bit": (np.int16, -1024, 3071, -1024, 3071),
    "floats from 0 to 1": (np.float32, 0, 1, 0, 1),
    "floats": (np.float32, -20.5, 300, -20.5, 300),
}


@pytest.mark.parametrize("depth", DEPTHS)
def test_deep_pictures_keep_their_range(depth, tmp_path):
    dtype, lowest, highest, low, high = DEPTHS[depth]
    random = np.random.default_rng(0)
    values = random.uniform(lowest, highest, (20, 3, 4)).astype(dtype)
    values[:, 0, 0], values[:, 0, 1] = lowest, highest  # in each split
    _write(tmp_path, values, tiff)
    x, _, info = _load(tmp_path)
    wanted = (values.astype(np.float64) - low) / (high - low)
    np.testing.assert_allclose(_in_order(x[..., 0]), _in_order(wanted), rtol=1e-5, atol=1e-7)
    about = info["understood"]["inputs"][""]["pictures"]
    assert (about["low"], about["high"]) == (low, high)
    assert any(about["rule"][1:] in said for said in info["notices"])
    assert about["rule"] == info["values"]


def test_only_the_training_split_tells_the_range(tmp_path):
    values = np.random.default_rng(0).uniform(0, 4095, (20, 3, 4)).astype(np.uint16)
    values[0, 0, 0] = 4095
    _write(tmp_path / "train", values, tiff)
    _write(tmp_path / "test", values * 4, tiff)
    data = materialize(DatasetConfig(path=str(tmp_path), validation=0), _empty(tmp_path))
    assert data.info["scale"] == 1 / 4095
    assert data.test.arrays()[0].max() > 1  # not clipped


def _empty(tmp_path):
    (tmp_path.parent / f"{tmp_path.name}_out").mkdir()
    return tmp_path.parent / f"{tmp_path.name}_out"


def test_more_pictures_than_are_written_at_a_time(tmp_path):
    count = ROWS + 300
    values = np.random.default_rng(0).normal(100, 1000, (count, 2, 3)).astype(np.float32)
    _write(tmp_path, values, tiff)
    data = materialize(DatasetConfig(path=str(tmp_path), validation=0), _empty(tmp_path))
    low, high = (data.info["understood"]["inputs"][""]["pictures"][k] for k in ("low", "high"))
    x = np.concatenate([data.train.arrays()[0], data.test.arrays()[0]])
    wanted = (values.astype(np.float64) - low) / (high - low)
    np.testing.assert_allclose(_in_order(x[..., 0]), _in_order(wanted), rtol=1e-4, atol=1e-6)
    assert data.train.arrays()[0].min() == 0
    assert data.train.arrays()[0].max() == 1


def test_records_and_folders_are_decoded_alike(tmp_path):
    random = np.random.default_rng(0)
    values = random.integers(0, 4096, (ROWS + 40, 3, 4, 1)).astype(np.uint16)
    _write(tmp_path / "folder", values, png)
    with tf.io.TFRecordWriter(str(tmp_path / "data.tfrecord")) as writer:
        for number, each in enumerate(values):
            feature = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png(each)])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 2])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    wanted = _in_order(values[..., 0] / 4095)
    for path in (tmp_path / "folder", tmp_path / "data.tfrecord"):
        x, _, info = _load(path)
        np.testing.assert_allclose(_in_order(x[..., 0]), wanted, rtol=1e-6)
        assert info["scale"] == 1 / 4095


def test_nothing_hidden_is_read(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 1)).astype(np.uint8)
    _write(tmp_path, values, png)
    for name in (".ipynb_checkpoints/1.png", "0/.ipynb_checkpoints/1.png", "__MACOSX/0/._1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(values[0] * 0))
    (tmp_path / "0" / "Thumbs.db").write_bytes(b"thumbs")
    x, _, info = _load(tmp_path)
    np.testing.assert_allclose(_in_order(x), _in_order(values / 255), rtol=1e-6)
    assert info["class_names"] == ["0", "1"]


def test_duplicates_across_splits_are_counted_and_told(tmp_path):
    random = np.random.default_rng(0)
    train = random.integers(0, 256, (20, 3, 4, 1)).astype(np.uint8)
    test = random.integers(0, 256, (10, 3, 4, 1)).astype(np.uint8)
    test[:4], test[4] = train[:4], train[5]  # the fifth one with another label
    _write(tmp_path / "train", train, png)
    _write(tmp_path / "test", test, png)
    _, _, info = _load(tmp_path, validation=0)
    assert info["understood"]["duplicates"]["test_in_train"] == {"examples": 5, "other_target": 1}
    said = "5 of 10 examples of the test split are in the train split as well, 1 of them with"
    assert any(said in notice for notice in info["notices"])


def test_an_empty_folder_is_a_class_where_the_parameters_count_it(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 1)).astype(np.uint8)
    _write(tmp_path, values, png)
    (tmp_path / "00").mkdir()
    with pytest.raises(ValueError, match=r"'00' .* holds no images; .*dataset.classes 3"):
        _load(tmp_path)
    _, y, info = _load(tmp_path, classes=3)
    assert (set(y.tolist()), info["classes"], info["class_names"]) == ({0, 2}, 3, ["0", "00", "1"])
    assert any("no example of 1 of 3 classes, the first of them 00" in n for n in info["notices"])


def test_a_split_that_measures_may_lack_a_class(tmp_path):
    random = np.random.default_rng(0)
    for name, count in (("train/cat", 5), ("train/dog", 5), ("test/dog", 3)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for k in range(count):
            picture = Image.fromarray(random.integers(0, 256, (4, 4), np.uint8))
            picture.save(tmp_path / "set" / name / f"{k}.png")
    _, y, info = _load(tmp_path / "set", validation=0)
    assert info["class_names"] == ["cat", "dog"]
    assert y.tolist() == [0] * 5 + [1] * 5 + [1] * 3
    shutil.rmtree(tmp_path / "set" / "train" / "dog")
    shutil.rmtree(tmp_path / "set" / "test" / "dog")
    (tmp_path / "set" / "test" / "cat").mkdir()
    shutil.copy(tmp_path / "set/train/cat/0.png", tmp_path / "set/test/cat/0.png")
    with pytest.raises(ValueError, match=r"'train' has 1 folder\(s\) inside"):
        _load(tmp_path / "set")
