"""Masks: a bit a weight, kept with the digest of their model, refused by any other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secateur.sparsity.masks import Masks

quick = settings(deadline=None, max_examples=40)
arrays = st.dictionaries(
    st.text("abc/", min_size=1, max_size=5),
    st.tuples(st.lists(st.integers(0, 9), max_size=3), st.integers(0, 2**32)),
    max_size=4,
).map(
    lambda drawn: {
        path: np.random.default_rng(seed).random(tuple(shape)) < 0.5
        for path, (shape, seed) in drawn.items()
    }
)


@quick
@given(arrays)
def test_what_goes_in_comes_out(masks):
    packed = Masks(masks, "digest", ["a notice"])
    assert list(packed) == sorted(masks)
    for path, mask in masks.items():
        np.testing.assert_array_equal(packed[path], mask)
        assert packed[path].dtype == np.bool_
        assert packed.shape(path) == mask.shape
        assert packed.bits(path).nbytes == -(-mask.size // 8)
        assert (packed.size(path), packed.kept(path)) == (mask.size, int(mask.sum()))
    size, kept = sum(m.size for m in masks.values()), sum(int(m.sum()) for m in masks.values())
    assert packed.sparsity() == ((size - kept) / size if size else 0)


@pytest.fixture
def masks():
    random = np.random.default_rng(0)
    some = {"b/kernel": random.random((3, 5)) < 0.5, "a/kernel": random.random((4, 3)) < 0.5}
    return Masks(some, "0123456789abcdef", ["floored"])


def test_files(masks, tmp_path):
    masks.save(tmp_path / "masks.npz")
    loaded = Masks.load(tmp_path / "masks.npz")
    assert loaded.digest() == masks.digest()
    assert (loaded.model_digest, loaded.notices) == (masks.model_digest, masks.notices)
    for path in masks:
        np.testing.assert_array_equal(loaded[path], masks[path])
    loaded.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "masks.npz").read_bytes()
    with pytest.raises(OSError, match="nothing"):
        Masks.load(tmp_path / "nothing.npz")


def test_damaged_files(masks, tmp_path):
    file = tmp_path / "masks.npz"
    masks.save(file)
    whole = file.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            loaded = Masks.load(file)
        except ValueError as error:
            assert str(file) in str(error)  # noqa: PT017
            refused += 1
        else:  # a byte that means nothing, such as a date
            assert loaded.digest() == masks.digest()
    assert refused > len(whole) // 7 // 2
    file.write_bytes(whole[:100])
    with pytest.raises(ValueError, match="damaged"):
        Masks.load(file)


def test_the_digest_is_of_the_content(masks):
    same = Masks({path: masks[path] for path in reversed(list(masks))}, masks.model_digest)
    assert same.digest() == masks.digest()
    other = {path: masks[path] for path in masks}
    other["a/kernel"] = ~other["a/kernel"]
    assert Masks(other, masks.model_digest).digest() != masks.digest()
    assert Masks({p: masks[p] for p in masks}, "of another model").digest() != masks.digest()
    turned = {path: masks[path].T if path == "a/kernel" else masks[path] for path in masks}
    assert Masks(turned, masks.model_digest).digest() != masks.digest()


def test_another_model_is_refused_with_the_reason(masks):
    shapes = {"a/kernel": (4, 3), "b/kernel": (3, 5), "b/bias": (5,)}
    masks.check(shapes)
    masks.check(shapes, "0123456789abcdef")
    with pytest.raises(ValueError, match=r"another model: this one has no weight b/kernel"):
        masks.check({"a/kernel": (4, 3)})
    with pytest.raises(ValueError, match=r"mask of a/kernel has the shape \(4, 3\).*\(3, 4\)"):
        masks.check(shapes | {"a/kernel": (3, 4)})
    with pytest.raises(ValueError, match="selected for the content 0123456789ab, this model has f"):
        masks.check(shapes, "fedcba")
    with pytest.raises(ValueError, match=r"\(unknown\)"):
        Masks({}).check(shapes, "fedcba")


def test_bad_masks():
    with pytest.raises(ValueError, match="use booleans"):
        Masks({"a": np.ones(3)})
    with pytest.raises(ValueError, match="one bit for each weight"):
        Masks.from_packed({"a": ((9,), np.zeros(1, np.uint8))})
