"""What is read of an archive, beside NumPy."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from secateur.datasets.config import DatasetConfig
from secateur.datasets.places import check_place, find
from secateur.datasets.sources.arrays import read

_DTYPES = st.one_of(
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    npst.boolean_dtypes(),
    st.just(np.dtype(np.longdouble)),
)


def _load(path, **config):
    config = DatasetConfig(path=str(path), **config)
    check_place(config)
    return read(find(str(path)), config, path.parent)["train"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_arrays_are_those_of_numpy(tmp_path, data):
    dtype = data.draw(_DTYPES)
    shape = data.draw(npst.array_shapes(min_dims=1, max_dims=4, max_side=4))
    x = data.draw(npst.arrays(dtype, shape, elements={"allow_nan": False, "allow_infinity": False}))
    if data.draw(st.booleans()):
        x = np.asfortranarray(x)
    y = data.draw(
        npst.arrays(st.sampled_from([np.dtype(">i4"), np.dtype("u1"), np.dtype("U3")]), shape[0])
    )
    path = tmp_path / "data.npz"
    data.draw(st.sampled_from([np.savez, np.savez_compressed]))(path, x=x, y=y)
    raw = _load(path)
    got = raw.inputs["x"]
    np.testing.assert_array_equal(got, x)
    assert (got.dtype.kind == "i") if dtype.kind == "b" else (got.dtype == dtype.newbyteorder("="))
    assert raw.targets["y"].tolist() == y.tolist()
    (feature, label) = raw.understood.columns
    assert (feature.shape, feature.minimum) == (x.shape[1:], float(x.min()))
    assert label.distinct == len(np.unique(y))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_larger_than_every_piece(save, order, tmp_path):
    x = np.arange(5000 * 30 * 7, dtype=">f4").reshape(5000, 30, 7)
    path = tmp_path / "data.npz"
    save(path, x=np.asarray(x, order=order), y=np.arange(5000) % 3)
    np.testing.assert_array_equal(_load(path).inputs["x"], x)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.zeros(4, [("a", "f4"), ("b", "i4")]), "holds [('a', '<f4'), ('b', '<i4')]; allowed"),
        (np.zeros(4, np.complex64), "holds complex64; allowed"),
        (np.zeros(4, "M8[s]"), "holds datetime64[s]; allowed"),
        (np.zeros((4, 2), "U3"), "is a table of text"),
        (np.float32(3), "is a single value"),
        (np.array([b"ok", b"\xff", b"ok", b"ok"]), "is no UTF-8 in example 2 of 'data.npz'"),
        (np.array(["a", None], object), "holds Python objects"),
        (np.zeros((0, 3)), "'data.npz' has no examples"),
    ],
)
def test_what_cannot_be_read_is_told(x, sentence, tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=x, y=np.arange(len(x) if np.ndim(x) else 1))
    with pytest.raises(ValueError, match=r"\S") as error:
        _load(path)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_the_third_version_of_the_format(tmp_path):
    """Whose header is in UTF-8; a field's name needs it, and such arrays are refused."""
    content = io.BytesIO()
    np.lib.format.write_array(content, np.arange(6.0).reshape(3, 2), version=(3, 0))
    labels = io.BytesIO()
    np.save(labels, np.array([0, 1, 0]))
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x.npy", content.getvalue())
        archive.writestr("y.npy", labels.getvalue())
    np.testing.assert_array_equal(
        _load(tmp_path / "data.npz").inputs["x"], [[0, 1], [2, 3], [4, 5]]
    )


def _all(path, **config):
    config = DatasetConfig(path=str(path), **config)
    check_place(config)
    return read(find(str(path)), config, path.parent)


_KERAS = {"x_train": 40, "y_train": 40, "x_test": 10, "y_test": 10}


@pytest.mark.parametrize("form", ["{0}_{1}", "{1}_{0}", "{0}_{2}"])
def test_splits_in_one_archive_are_those_of_keras(form, tmp_path):
    random = np.random.default_rng(0)
    given, named = {}, {}
    for name, count in _KERAS.items():
        kind, split = name.split("_")
        shape = (count, 6, 5) if kind == "x" else (count,)
        array = random.integers(0, 200 if kind == "x" else 3, shape).astype(np.uint8)
        given[name] = array
        named[form.format(kind, split, split.title())] = array
    np.savez(tmp_path / "mnist.npz", **named)
    raw = _all(tmp_path / "mnist.npz")
    assert list(raw) == ["train", "test"]
    for split, part in raw.items():
        np.testing.assert_array_equal(part.inputs["x"], given[f"x_{split}"])
        np.testing.assert_array_equal(part.targets["y"], given[f"y_{split}"])
    assert [(p.split, p.examples) for p in raw["train"].understood.files] == [
        ("train", 40),
        ("test", 10),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train"),
        ("x_train", "y_train", "x_test"),
        ("x_test", "y_test", "x_val", "y_val"),
        ("x_train", "y_train", "x_test", "y_test", "mean"),
        ("train", "y_train", "test", "y_test"),
    ],
)
def test_other_names_are_those_of_arrays(names, tmp_path):
    np.savez(tmp_path / "d.npz", **{name: np.arange(8) % 2 for name in names})
    with pytest.raises(ValueError, match=f"has no label, target or y, only '{names[0]}'"):
        _all(tmp_path / "d.npz")
