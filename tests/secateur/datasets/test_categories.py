"""Columns of text beside others: an input for each value that the training split has."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from secateur.datasets.categories import Encoder
from secateur.datasets.config import DatasetConfig
from secateur.datasets.load import materialize
from secateur.datasets.raw import Raw


@given(st.data())
def test_columns_are_those_of_pandas(data):
    """`get_dummies` of the training rows, with zeros for what they lack."""
    count = data.draw(st.integers(2, 12))
    names = ("a", "b", "c", "d")
    frame = pd.DataFrame(
        {
            "x": np.arange(count, dtype=np.float32),
            "kind": data.draw(st.lists(st.sampled_from(names), min_size=count, max_size=count)),
            "z": -np.arange(count, dtype=np.float32),
        }
    )
    train = np.sort(data.draw(st.permutations(range(count)))[: data.draw(st.integers(1, count))])
    places = frame["kind"].map(names.index).astype(np.float32)
    table = np.stack([frame["x"], places, frame["z"]], axis=1)
    encoder = Encoder.of(
        {"train": Raw({"": table}, {}, categories={1: names})}, {"train": ("train", train)}
    )
    kept = sorted(set(frame["kind"].iloc[train]))
    dummies = pd.get_dummies(frame["kind"], dtype=np.float32).reindex(columns=kept, fill_value=0)
    wanted = np.column_stack([frame["x"], dummies, frame["z"]])
    np.testing.assert_array_equal(encoder(table), wanted)
    assert encoder.width == wanted.shape[1]
    assert encoder.kept == {1: tuple(kept)}
    unknown = ~frame["kind"].isin(kept).to_numpy()
    np.testing.assert_array_equal(encoder.unknown(table)[1], unknown)


def test_what_training_lacks_is_told_with_its_row(tmp_path):
    folder, out = tmp_path / "data", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    rows = [f"{k},{('red', 'blue')[k % 2]},{k % 2}" for k in range(20)]
    (folder / "train.csv").write_text("a,color,label\n" + "\n".join(rows) + "\n")
    (folder / "test.csv").write_text("a,color,label\n1,red,0\n2,green,1\n3,blue,1\n4,green,0\n")
    data = materialize(DatasetConfig(path=str(folder)), out)
    assert data.shape == (3,)
    np.testing.assert_array_equal(data.test.x, [[1, 0, 1], [2, 0, 0], [3, 1, 0], [4, 0, 0]])
    assert data.understood.columns[1].values == ("blue", "red")
    said = " ".join(data.info["notices"])
    assert "Text in 'train.csv' and 1 more is taken as categories" in said
    assert (
        "2 of 4 examples of the test split have a 'color' that no training example has (the first "
        "is row 2 of 'test.csv')" in said
    )
    np.testing.assert_allclose(data.traits.mean, np.asarray(data.train.x).mean(0), rtol=1e-5)
