"""Rows read from a file: the same as the array's, and a file that is cut short is noticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from secateur.datasets.rows import RowReader, pieces, reading

_ARRAYS = npst.arrays(
    st.sampled_from([np.uint8, np.int16, np.float32, np.float64]),
    npst.array_shapes(min_dims=1, max_dims=4, max_side=5),
    elements=st.integers(0, 100),
)


@given(_ARRAYS, st.data())
def test_rows_are_those_of_the_array(tmp_path_factory, array, data):
    path = tmp_path_factory.mktemp("rows") / "x.npy"
    np.save(path, array)
    indices = data.draw(st.lists(st.integers(0, len(array) - 1), max_size=8))
    read = RowReader(np.load(path, mmap_mode="r"))(np.array(indices, dtype=np.int64))
    np.testing.assert_array_equal(read, array[np.array(indices, dtype=np.int64)])
    assert read.dtype == array.dtype


def test_a_file_that_is_cut_short_is_noticed(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(1000, dtype=np.int64).reshape(100, 10))
    reader = RowReader(np.load(path, mmap_mode="r"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8)
    reader(np.array([0, 98]))
    with pytest.raises(OSError, match=r"cut short: row 99"):
        reader(np.array([99]))


@given(_ARRAYS, st.integers(1, 7))
def test_pieces_are_the_array_whether_it_is_of_a_file_or_a_part_of_one(
    tmp_path_factory, array, rows
):
    path = tmp_path_factory.mktemp("pieces") / "x.npy"
    np.save(path, array)
    mapped = np.load(path, mmap_mode="r")
    assert isinstance(reading(mapped), RowReader)
    for whole in (array, mapped, mapped[1:], np.asfortranarray(array)):
        found = list(pieces(whole, rows))
        assert all(len(piece) <= rows for piece in found)
        together = np.concatenate(found) if found else whole
        np.testing.assert_array_equal(together, whole)
        some = np.arange(len(whole))[::-1]
        np.testing.assert_array_equal(reading(whole)(some), whole[some])


def test_a_piece_that_is_cut_short_is_noticed(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(1000, dtype=np.int64).reshape(100, 10))
    array = np.load(path, mmap_mode="r")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8)
    with pytest.raises(OSError, match=r"cut short: row 99"):
        list(pieces(array, 40))
