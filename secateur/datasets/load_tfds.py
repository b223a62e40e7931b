"""TFDS data sets of images, or other numbers, with a class label."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader

from secateur.datasets import builders  # noqa: F401  (registers them with TFDS)
from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import SPLITS
from secateur.datasets.labels import Targets, check_classes
from secateur.datasets.names import BUNDLED, base_name
from secateur.datasets.pictures.decode import resized
from secateur.datasets.pictures.pictures import Pictures
from secateur.datasets.pictures.ranges import with_range
from secateur.datasets.raw import ArrayWriter
from secateur.datasets.sources.tfds_features import own_splits
from secateur.datasets.tfds_pictures import examples, look_over, values

_log = logging.getLogger(__name__)


class DownloadError(OSError):
    """The data set could not be fetched now; another try may succeed."""


def prepared(config: DatasetConfig, scratch: Path) -> Any:
    """The TFDS builder of a name, downloaded and prepared; a bundled one is prepared in `scratch`.

    Raises:
        ValueError: TFDS cannot open it.
        DownloadError: It is not prepared and cannot be downloaded.
    """
    assert config.name is not None
    name = base_name(config.name)
    data_dir = config.data_dir and str(Path(config.data_dir).expanduser())
    if name in BUNDLED:
        data_dir = str(scratch)
    try:
        builder = tfds.builder(config.name, data_dir=data_dir, try_gcs=False)
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        raise ValueError(
            f"TFDS cannot open the data set {config.name!r}"
            f"{f' in {config.data_dir}' if config.data_dir else ''}: {_first_cause(error)}"
        ) from error
    tfds.disable_progress_bar()
    if name not in BUNDLED and not builder.is_prepared():
        size = builder.info.download_size
        _log.warning("Downloading the data set %r (%s) to %s.", config.name, size, builder.data_dir)
    # The stage tries again by itself; without a network TFDS would take minutes each time.
    downloader.MAX_RETRIES = 2
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints what it does
            builder.download_and_prepare()
    except (OSError, tfds.download.DownloadError) as error:
        where = config.data_dir or str(tfds.core.constants.DATA_DIR)
        raise DownloadError(
            f"The data set {config.name!r} is not prepared in {where} and could not be "
            f"downloaded ({_first_line(error)}); connect to the network, or prepare it elsewhere "
            "and give its folder as dataset.data_dir."
        ) from error
    return builder


def classifies(builder: Any, config: DatasetConfig) -> bool:
    """Whether a builder has images or the like with a class label, and that is wanted."""
    if config.features or config.targets or config.task not in (None, "classification"):
        return False
    inputs, label = (builder.info.features[key] for key in _keys(builder))
    text = isinstance(inputs, tfds.features.Text)
    table = inputs.shape is not None and len(inputs.shape) == 1
    return isinstance(label, tfds.features.ClassLabel) and not text and not table


def write(builder: Any, config: DatasetConfig, folder: Path) -> dict[str, Any]:
    """Writes the splits of such a builder as arrays, and gives what `info.json` shall hold.

    The test split is TFDS's `test`, or what `dataset.test_split` names, else its `validation`,
    else the last fifth of `train`. The validation split is TFDS's own where it is not the test
    split, else the last `config.validation` of `train`. TFDS mixes the examples when it prepares a
    data set, and the order of reading is fixed, so the splits are the same at every load.

    Raises:
        ValueError: One sentence: the inputs have no one shape, a split is empty, or its labels
            are hidden.
    """
    input_key, label_key = _keys(builder)
    label = builder.info.features[label_key]
    own = own_splits(builder, config)
    pictures = look_over(builder, input_key, own.values(), config)
    if pictures is None:
        _check_input(builder, input_key, config)
    splits = _split_names(builder, own, config)
    for name in SPLITS:
        if (split := splits[name]) is not None:
            _write_split(builder, split, folder / name, (input_key, label_key), pictures, config)
    first = np.load(folder / "train_x.npy", mmap_mode="r")
    if splits["validation"] is None:
        ArrayWriter(folder / "validation_x.npy", first.dtype, first.shape[1:]).close()
        np.save(folder / "validation_y.npy", np.empty(0, np.int64))
    info: dict[str, Any] = {
        "name": config.name,
        "task": "classification",
        "shape": list(first.shape[1:]),
        "classes": label.num_classes,
        "class_names": label.names,
        "scale": 1 / 255 if first.dtype == np.uint8 else 1.0,
        "dtype": "float32",
        "splits": splits,
        "examples": {name: len(np.load(folder / f"{name}_y.npy")) for name in SPLITS},
        "notices": [],
        "understood": {"inputs": {}, "targets": {"": {"form": "numbers"}}},
    }
    if pictures is not None:
        files = {name: folder / f"{name}_x.npy" for name in SPLITS}
        info |= with_range(pictures, files, "", info)
    targets = Targets("classification", label.num_classes, label.names, {})
    info["notices"] += check_classes(targets, np.load(folder / "train_y.npy"), config)
    return info


def _first_cause(error: BaseException) -> str:
    """TFDS puts its own arguments before what went wrong."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _keys(builder) -> tuple[str, str]:
    features = builder.info.features
    keys = builder.info.supervised_keys
    if keys is None and {"image", "label"} <= set(features):
        keys = ("image", "label")
    if keys is None or len(keys) != 2 or not all(isinstance(key, str) for key in keys):
        raise ValueError(
            f"The data set {builder.name!r} names no input and label (TFDS `supervised_keys`); "
            f"its features are {', '.join(features)}: give dataset.features and dataset.target."
        )
    return keys


def _check_input(builder: Any, key: str, config: DatasetConfig) -> None:
    feature = builder.info.features[key]
    shape, dtype = feature.shape, np.dtype(feature.np_dtype)
    if shape is None or not np.issubdtype(dtype, np.number):
        raise ValueError(
            f"The input {key!r} of the data set {builder.name!r} is a {type(feature).__name__} "
            f"of {dtype}; allowed are numbers of one shape, such as images."
        )
    if config.image_size is not None:
        if len(shape) != 3:
            raise ValueError(
                f"dataset.image_size is given, but the input {key!r} of {builder.name!r} has the "
                f"shape {shape} and is no image; leave it out."
            )
        shape = (*config.image_size, shape[2])
    if None in shape:
        raise ValueError(
            f"The inputs of the data set {builder.name!r} differ in shape ({shape}); give "
            "dataset.image_size, the height and width to resize them to."
        )


def _split_names(
    builder: Any, own: Mapping[str, str], config: DatasetConfig
) -> dict[str, str | None]:
    """TFDS's own word (such as `train[:3600]`) for each of our splits; None for an empty one."""
    train, end = own["train"], 100
    validation = own.get("validation")
    if "test" in own:
        test = own["test"]
    elif validation is not None and config.test_split is None:
        test, validation = validation, None
    else:
        test, end = f"{train}[80%:]", 80
    if validation is not None:
        return {"train": f"{train}[:{end}%]", "validation": validation, "test": test}
    total = builder.info.splits[train].num_examples * end // 100
    held_out = round(total * config.validation)
    if config.validation and not 0 < held_out < total:
        raise ValueError(
            f"dataset.validation is {config.validation}, which leaves an empty split of the "
            f"{total} training examples of {builder.name!r}; give 0 or another share."
        )
    if end != 100:
        test = f"{train}[{total}:]"
    return {
        "train": f"{train}[:{total - held_out}]",
        "validation": f"{train}[{total - held_out}:{total}]" if held_out else None,
        "test": test,
    }


def _write_split(
    builder: Any,
    split: str,
    stem: Path,
    keys: tuple[str, str],
    pictures: Pictures | None,
    config: DatasetConfig,
) -> None:
    """Writes `<stem>_x.npy` and `<stem>_y.npy`, a batch at a time."""
    writer, found = None, [np.empty(0, np.int64)]
    for inputs, labels in _batches(builder, split, keys, pictures, config):
        writer = writer or ArrayWriter(Path(f"{stem}_x.npy"), inputs.dtype, inputs.shape[1:])
        writer.append(inputs)
        found.append(labels.astype(np.int64))
    y = np.concatenate(found)
    count = builder.info.splits[split].num_examples
    if len(y) != count or writer is None:
        raise ValueError(
            f"The split {split!r} of {builder.name!r} holds {len(y)} examples where its "
            f"description says {count}: prepare it again."
        )
    writer.close()
    classes = builder.info.features[keys[1]].num_classes
    if hidden := int((y == -1).sum()):
        raise ValueError(
            f"{hidden} of {count} labels of the split {split!r} of {builder.name!r} are hidden "
            f"(-1); say by dataset.test_split which split measures: "
            f"{', '.join(name for name in builder.info.splits if name != split)}."
        )
    if not (y.min() >= 0 and y.max() < classes):
        raise ValueError(
            f"The split {split!r} of {builder.name!r} has labels from {y.min()} to {y.max()}; "
            f"allowed are 0 to {classes - 1}."
        )
    np.save(f"{stem}_y.npy", y)


def _batches(
    builder: Any,
    split: str,
    keys: tuple[str, str],
    pictures: Pictures | None,
    config: DatasetConfig,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    start = 0
    for batch in examples(builder, split, list(keys)):
        inputs = batch[keys[0]]
        if pictures is not None:
            inputs = values(pictures, inputs, keys[0], split, start)
        elif config.image_size is not None:
            inputs = np.stack([resized(image, config.image_size) for image in inputs])
        start += len(inputs)
        yield inputs, batch[keys[1]]
