"""Which files and folders at a path are which split. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from secateur.datasets.folders import PICTURES, entries, has_pictures
from secateur.datasets.packed import PACKED
from secateur.datasets.shards import listed
from secateur.datasets.split_names import NAMES, Name, parse, split_of, without_shard

KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".npz": "npz",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
}
"""Kind of data by the ending of a file's name."""

_PACKED = {"csv": PACKED, "tfrecord": (".gz", ".zlib")}


class Place(NamedTuple):
    """What a path holds.

    Attributes:
        kind: `csv`, `parquet`, `npz`, `tfrecord` or `images`.
        splits: The files of each split (of images: one folder). `train` alone where the data are
            not split yet.
        notices: What is there and is not read, each a sentence.
    """

    kind: str
    splits: dict[str, tuple[Path, ...]]
    notices: tuple[str, ...] = ()


def find(path: str) -> Place:
    """Looks a path up.

    Raises:
        ValueError: One sentence: nothing is there, nothing that can be read, or something that
            can be read in two ways.
    """
    place = Path(path).expanduser()
    if place.is_file():
        kind = kind_of(place)
        if kind is None:
            raise ValueError(
                f"dataset.path is {path!r}; allowed are files that end in {', '.join(KINDS)} (a "
                f"CSV file also in {', '.join(PACKED)} after that), and "
                "folders: convert yours, or give a dataset.factory."
            )
        return Place(kind, {"train": (place,)})
    if not place.is_dir():
        raise ValueError(
            f"dataset.path is {path!r}, where nothing is; give a file or a folder of data."
        )
    inside = entries(place)
    files = {e: parse(e.name, _ending(e)) for e in inside if e.is_file() and kind_of(e)}
    folders = [entry for entry in inside if entry.is_dir()]
    named = {file: name for file, name in files.items() if name.split}
    if named:
        return _of_files(path, named, files, [f for f in folders if split_of(f.name)])
    if folders:
        return _of_folders(path, folders)
    if files and len({name.stem for name in files.values()}) == 1:
        return _of_shards(path, files)
    found = ", ".join(file.name for file in list(files)[:3]) or "none of them"
    raise _no_layout(path, found)


def kind_of(file: Path) -> str | None:
    """The kind of data by a file's name; None for what cannot be read."""
    _, dot, ending = _ending(file).lower().partition(".")
    return KINDS.get(dot + ending.partition(".")[0])


def _ending(file: Path) -> str:
    """`.csv`, or `.csv.gz` of a file that is compressed."""
    path = Path(without_shard(file.name))
    inner = Path(path.stem).suffix
    kind = KINDS.get(inner.lower(), "")
    packed = path.suffix.lower() in _PACKED.get(kind, ())
    return inner + path.suffix if packed else path.suffix


def _no_layout(path: str, found: str) -> ValueError:
    return ValueError(
        f"dataset.path is the folder {path!r}; allowed is one that has a folder of images for "
        "each class, or files or folders of one kind called train, test and validation: it "
        f"has {found}."
    )


# ---- files -------------------------------------------------------------------------------------


def _of_files(
    path: str, named: Mapping[Path, Name], files: Mapping[Path, Name], folders: list[Path]
) -> Place:
    kinds = {kind_of(file) for file in named} | ({"images"} if folders else set())
    if len(kinds) > 1:
        raise _no_layout(path, f"{' and '.join(sorted(map(str, kinds)))} side by side")
    splits: dict[str, list[Path]] = {}
    for file, name in named.items():
        assert name.split
        splits.setdefault(name.split, []).append(file)
    if "train" not in splits:
        raise _no_layout(path, f"{listed([f.name for f in named])}, and none that is called train")
    for split, own in splits.items():
        _check_shards(path, split, {file: named[file] for file in own})
    (kind,) = kinds
    other = [file for file in files if file not in named and kind_of(file) == kind]
    for file in other:
        if any(file.name.lower().startswith(split) for split in splits):
            raise ValueError(
                f"dataset.path is the folder {path!r}, in which {file.name!r} could be a part of a "
                "split or something else; call parts train_00, train_01 and so on, and take out "
                "what is none."
            )
    said = f"Not read, for it is called like no split: {listed([f.name for f in other])}."
    notices = (said,) if other else ()
    return Place(str(kind), {s: tuple(own) for s, own in splits.items()}, notices)


def _of_shards(path: str, files: Mapping[Path, Name]) -> Place:
    kinds = {kind_of(file) for file in files}
    if len(kinds) > 1:
        raise _no_layout(path, f"{' and '.join(sorted(map(str, kinds)))} side by side")
    _check_shards(path, "train", files)
    return Place(str(kinds.pop()), {"train": tuple(files)})


def _check_shards(path: str, split: str, files: Mapping[Path, Name]) -> None:
    """Refuses shards of which some are missing, or that cannot all belong together."""
    families: dict[tuple[str, int | None, bool], list[Path]] = {}
    for file, name in files.items():
        families.setdefault((name.stem, name.total, name.number is None), []).append(file)
    parts = all(  # train-a and train-b
        total is None and split_of(stem) is None and stem.lower().startswith(tuple(NAMES))
        for stem, total, _ in families
    )
    if len(families) > 1 and not parts:
        one, other = [own[0].name for own in families.values()][:2]
        raise ValueError(
            f"dataset.path is the folder {path!r}, in which {one!r} and {other!r} are both the "
            f"{split} split, and not as shards of one another; take one out."
        )
    lacking = [name for own in families.values() for name in _lacking(own, files)]
    if lacking:
        raise ValueError(
            f"dataset.path is the folder {path!r}, which lacks {listed(lacking)}; copy it there, "
            "or write the data again."
        )


def _lacking(family: list[Path], files: Mapping[Path, Name]) -> list[str]:
    """Names of the shards that are missing: up to the total, or between those that are there."""
    known = files[family[0]]
    if known.number is None:
        return []
    there = {number for file in family if (number := files[file].number) is not None}
    counted = range(min(1, min(there)), max(there) + 1)  # from 0 or from 1
    wanted = counted if known.total is None else range(known.total)
    start, end = known.digits
    name = family[0].name
    return [
        f"{name[:start]}{number:0{end - start}}{name[end:]}"
        for number in wanted
        if number not in there
    ]


# ---- folders -----------------------------------------------------------------------------------


def _of_folders(path: str, folders: list[Path]) -> Place:
    """Folders of images: splits of classes, or classes."""
    named = {folder: split for folder in folders if (split := _split_of_folder(folder))}
    if not named:
        root = Path(path).expanduser()
        return Place("images", {"train": (root,)}, _loose([root]))
    nested = {folder: _holds_folders_alone(folder) for folder in folders}
    other = [folder for folder in folders if folder not in named]
    if "train" in named.values() and all(nested[folder] for folder in named):
        read = [folder for folder in other if has_pictures(folder)]
        if not read:
            return _of_splits(path, named, [folder.name for folder in other])
    elif len(named) == 1 and other and not any(nested[folder] for folder in folders):
        (name,) = (folder.name for folder in named)
        said = f"{path!r} is read as {len(folders)} classes, of which one is called {name!r}."
        root = Path(path).expanduser()
        return Place("images", {"train": (root,)}, (said, *_loose([root])))
    names = ", ".join(folder.name for folder in folders[:8])
    raise ValueError(
        f"dataset.path is the folder {path!r}, whose folders {names} could be splits or classes; "
        "for splits call them train, test and validation, put a folder for each class into each "
        "and no other folder of images beside them; for classes put all of them into one folder "
        "called train."
    )


def _of_splits(path: str, named: Mapping[Path, str], other: list[str]) -> Place:
    splits: dict[str, tuple[Path, ...]] = {}
    for folder, split in named.items():
        if split in splits:
            raise ValueError(
                f"dataset.path is the folder {path!r}, in which {splits[split][0].name!r} and "
                f"{folder.name!r} are both the {split} split; take one out, or rename it."
            )
        splits[split] = (folder,)
    notices = (f"Not read, for it holds no images: {listed(other)}.",) if other else ()
    return Place("images", splits, (*notices, *_loose([Path(path).expanduser(), *named])))


def _loose(folders: Iterable[Path]) -> tuple[str, ...]:
    """A notice on files that lie beside the folders of classes, or of splits."""
    files = [e.name for folder in folders for e in entries(folder) if e.is_file()]
    if not files:
        return ()
    return (f"Not read, for no folder of a class holds it: {listed(files)}.",)


def _split_of_folder(folder: Path) -> str | None:
    """`train` of `train`, `Training` and `train-2020`."""
    if split := split_of(folder.name):
        return split
    start = folder.name.replace("-", ".").partition(".")[0]
    return split_of(start)


def _holds_folders_alone(folder: Path) -> bool:
    inside = entries(folder)
    return any(entry.is_dir() for entry in inside) and not any(
        entry.suffix.lower() in PICTURES for entry in inside if entry.is_file()
    )
