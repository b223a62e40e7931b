"""Names of splits are found, what can be read in two ways is refused, and nothing is missed."""

from __future__ import annotations

import os

import pytest

from secateur.datasets.config import DatasetConfig
from secateur.datasets.folders import files_below, hidden
from secateur.datasets.layout import find
from secateur.datasets.places import check_place, fingerprint
from secateur.datasets.split_names import by_split, measured


@pytest.fixture
def lay(tmp_path):
    """Makes empty files, and gives the path of their folder."""

    def run(*names):
        for name in names:
            file = tmp_path / "data" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        return str(tmp_path / "data")

    return run


def _names(place):
    return {split: [file.name for file in files] for split, files in place.splits.items()}


@pytest.mark.parametrize("train", ["train", "Train", "TRAIN", "training", "Training"])
@pytest.mark.parametrize("validation", ["validation", "valid", "Val", "DEV"])
@pytest.mark.parametrize("test", ["test", "TEST", "testing", "Testing"])
def test_splits_are_called_so_in_any_case(train, validation, test, lay):
    path = lay(*(f"{split}/{c}/1.png" for split in (train, validation, test) for c in "ab"))
    found = {"train": [train], "validation": [validation], "test": [test]}
    assert (find(path).kind, _names(find(path))) == ("images", found)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["Train.csv", "dev.csv", "TESTING.CSV"], ["Train.csv", "dev.csv", "TESTING.CSV"]),
        (["train_00.npz", "train_01.npz"], ["train_00.npz", "train_01.npz"]),
        (["train-1.npz", "train-2.npz"], ["train-1.npz", "train-2.npz"]),
        (["train-a.npz", "train-b.npz"], ["train-a.npz", "train-b.npz"]),
        (["pets-train.csv", "pets-test.csv"], ["pets-train.csv", "pets-test.csv"]),
        (
            [f"train-0000{i}-of-00002-0a1b2c3d.parquet" for i in range(2)],
            [f"train-0000{i}-of-00002-0a1b2c3d.parquet" for i in range(2)],
        ),
        (
            [f"mnist-{s}.tfrecord-0000{i}-of-00002" for s in ("test", "train") for i in (0, 1)],
            [f"mnist-{s}.tfrecord-0000{i}-of-00002" for s in ("test", "train") for i in (0, 1)],
        ),
        (["rows_00.csv", "rows_01.csv"], ["rows_00.csv", "rows_01.csv"]),
        (
            [f"a-0000{i}-of-00002.parquet" for i in (0, 1)],
            [f"a-0000{i}-of-00002.parquet" for i in (0, 1)],
        ),
    ],
)
def test_files_and_their_shards(names, found, lay):
    splits = _names(find(lay(*names)))
    assert sorted(name for own in splits.values() for name in own) == sorted(found)
    for split, own in splits.items():
        spelled = {"train": "train", "validation": "dev", "test": "test"}[split]
        assert all(spelled in name.lower() or split == "train" for name in own)


@pytest.mark.parametrize(
    ("names", "lacking"),
    [
        (["train-00000-of-00003.csv"], "'train-00001-of-00003.csv' and 1 more"),
        (["train.csv", "test-00001-of-00002.csv"], "'test-00000-of-00002.csv'"),
        (["train_00.csv", "train_02.csv"], "'train_01.csv'"),
        (["train_1.csv", "train_4.csv"], "'train_2.csv' and 1 more"),
        (["train_5.csv"], "'train_1.csv' and 3 more"),
        (["a.tfrecord-00001-of-00002"], "'a.tfrecord-00000-of-00002'"),
        (["x-train.tfrecord-00001-of-00002"], "'x-train.tfrecord-00000-of-00002'"),
    ],
)
def test_missing_shards_are_told(names, lacking, lay):
    with pytest.raises(ValueError, match="which lacks") as error:
        find(lay(*names))
    assert f"which lacks {lacking}; copy it" in str(error.value)


@pytest.mark.parametrize(
    "names",
    [
        ["train.csv", "Train.csv"],
        ["train.csv", "train_00.csv"],
        ["train-00000-of-00001.csv", "train-00000-of-00002.csv", "train-00001-of-00002.csv"],
        ["train.csv", "val.csv", "valid.csv"],
        ["a-train.csv", "b-train.csv"],
    ],
)
def test_files_that_are_the_same_split_twice_are_refused(names, lay):
    with pytest.raises(ValueError, match=r"are both the \w+ split, and not as shards"):
        find(lay(*names))


def test_folders_that_are_the_same_split_twice_are_refused(lay):
    path = lay(*(f"{split}/{c}/1.png" for split in ("train", "val", "dev") for c in "ab"))
    with pytest.raises(ValueError, match="'dev' and 'val' are both the validation split"):
        find(path)


def test_a_file_that_may_be_a_part_of_a_split_is_refused_and_others_are_told(lay):
    place = find(lay("train.csv", "test.csv", "sample.csv", "notes.txt"))
    assert place.notices == ("Not read, for it is called like no split: 'sample.csv'.",)
    with pytest.raises(ValueError, match=r"'train_labels.csv' could be a part of a split"):
        find(lay("train_labels.csv"))


@pytest.mark.parametrize(
    "names",
    [
        ["train/1.png", "test/2.png"],  # without classes, or two classes
        ["train/1.png", "test/2.png", "sample/3.png"],
        ["train/steam/1.png", "train/diesel/2.png", "bus/3.png", "car/4.png"],
        ["train/a/1.png", "train/b/1.png", "extra/a/1.png"],
        ["test/a/1.png", "test/b/1.png", "validation/a/1.png", "validation/b/1.png"],
        ["train/1.png"],
    ],
)
def test_folders_that_could_be_splits_or_classes_are_refused_with_both_readings(names, lay):
    with pytest.raises(ValueError, match=r"could be splits or classes; for splits .* for classes"):
        find(lay(*names))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train/1.png", "bus/2.png", "car/3.png"], 1),
        (["valid/1.png", "invalid/2.png"], 1),
        (["cat/1.png", "dog/2.png"], 0),
        (["cat/one/1.png", "cat/two/1.png", "dog/2.png"], 0),
        (["trainer/1.png", "tester/2.png"], 0),
    ],
)
def test_folders_that_can_only_be_classes(names, said, lay):
    place = find(lay(*names))
    assert list(place.splits) == ["train"]
    assert place.splits["train"][0].name == "data"
    assert len(place.notices) == said


def test_what_holds_no_images_is_beside_the_splits_and_told(lay):
    place = find(lay("train/a/1.png", "train/b/1.png", "docs/read.md", "train/notes.txt"))
    assert _names(place) == {"train": ["train"]}
    assert place.notices == (
        "Not read, for it holds no images: 'docs'.",
        "Not read, for no folder of a class holds it: 'notes.txt'.",
    )


HIDDEN = (
    ".ipynb_checkpoints/a.png",
    "__MACOSX/cat/._1.png",
    "cat/.ipynb_checkpoints/1-checkpoint.png",
    "cat/Thumbs.db",
    "cat/@eaDir/1.png/thumb.png",
    "cat/desktop.ini",
    ".DS_Store",
)


def test_nothing_hidden_counts(lay, tmp_path):
    path = lay("cat/1.png", "dog/in/2.png")
    before = fingerprint(path)
    lay(*HIDDEN)
    assert [name for name, _ in fingerprint(path)] == ["cat/1.png", "dog/in/2.png"]
    assert fingerprint(path) == before
    assert list(find(path).splits) == ["train"]
    assert not hidden("cat")


def test_links_are_followed_once_and_their_content_counts(lay, tmp_path):
    path = lay("cat/1.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "2.png").write_bytes(b"two")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "dog")
    os.symlink(tmp_path / "data", tmp_path / "data" / "cat" / "again")
    names = [file.relative_to(path).as_posix() for file in files_below(tmp_path / "data")]
    assert names == ["cat/1.png", "dog/2.png"]
    before = fingerprint(path)
    (tmp_path / "elsewhere" / "2.png").write_bytes(b"owt")
    assert fingerprint(path) != before


def test_content_of_any_size_is_the_fingerprint(tmp_path, monkeypatch):
    file = tmp_path / "data.csv"
    file.write_bytes(b"a,label\n" + b"1,0\n" * 100_000)
    before, status = fingerprint(str(file)), file.stat()
    with file.open("r+b") as opened:
        opened.seek(200_000)
        opened.write(b"2,1\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint(str(file)) != before


@pytest.mark.parametrize(
    ("chosen", "used"),
    [
        (None, {"train": "a", "validation": "b", "test": "c"}),
        ("test", {"train": "a", "validation": "b", "test": "c"}),
        ("Valid", {"train": "a", "test": "b"}),
        ("train", {"train": "a", "validation": "b"}),
        ("extra", {"train": "a", "validation": "b", "test": "d"}),
    ],
)
def test_the_split_that_measures_can_be_chosen(chosen, used):
    splits = {"train": "a", "validation": "b", "test": "c", "extra": "d"}
    assert measured(splits, DatasetConfig(test_split=chosen)) == used


def test_a_split_that_shall_measure_and_is_not_there_is_refused_before_any_work(lay):
    config = DatasetConfig(path=lay("train.csv", "test.csv"), test_split="dev")
    with pytest.raises(ValueError, match=r"test_split is 'dev', which 'data' does not have; .*te"):
        check_place(config)


def test_two_names_for_one_split_are_refused():
    assert by_split(["Training", "dev", "extra"], "it") == {
        "train": "Training",
        "validation": "dev",
        "extra": "extra",
    }
    with pytest.raises(ValueError, match="it has 'val' and 'dev', which both are the validation"):
        by_split(["val", "dev"], "it")


def test_a_link_from_a_class_to_all_classes_is_not_followed(lay, tmp_path):
    path = lay("cat/1.png", "dog/2.png")
    os.symlink(path, tmp_path / "data" / "cat" / "all")
    os.symlink(tmp_path, tmp_path / "data" / "dog" / "above")
    for name, own in (("cat", "1.png"), ("dog", "2.png")):
        assert [file.name for file in files_below(tmp_path / "data" / name)] == [own]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["cat/1.png", "dog/1.png", "3.png", "labels.csv"], "'3.png' and 1 more"),
        (["train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "notes.txt"], "'notes.txt'"),
        (["cat/1.png", "dog/1.png", ".DS_Store"], None),
    ],
)
def test_files_beside_the_classes_are_told(names, told, lay):
    said = (f"Not read, for no folder of a class holds it: {told}.",) if told else ()
    assert find(lay(*names)).notices == said
