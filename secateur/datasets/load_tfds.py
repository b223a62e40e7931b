"""TFDS data sets of images, or other numbers, with a class label."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader

from secateur.datasets import builders  # noqa: F401  (registers them with TFDS)
from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import SPLITS
from secateur.datasets.names import BUNDLED, base_name
from secateur.datasets.raw import ArrayWriter

_log = logging.getLogger(__name__)

_ROWS = 1024  # examples a write


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

    The test split is TFDS's `test`, else its `validation`, else the last fifth of `train`. The
    validation split is TFDS's own where it is not the test split, else the last
    `config.validation` of `train`. TFDS mixes the examples when it prepares a data set, and the
    order of reading is fixed, so the splits are the same at every load.

    Raises:
        ValueError: One sentence: the inputs have no one shape, or a split is empty.
    """
    input_key, label_key = _keys(builder)
    shape, dtype = _input_spec(builder, input_key, config)
    classes = builder.info.features[label_key].num_classes
    splits = _split_names(builder, config)
    for name in SPLITS:
        _write_split(builder, splits[name], folder / name, (input_key, label_key), shape, dtype)
    return {
        "name": config.name,
        "task": "classification",
        "shape": list(shape),
        "classes": classes,
        "class_names": builder.info.features[label_key].names,
        "scale": 1 / 255 if dtype == np.uint8 else 1.0,
        "dtype": "float32",
        "splits": splits,
        "examples": {name: len(np.load(folder / f"{name}_y.npy")) for name in SPLITS},
    }


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


def _input_spec(builder, key: str, config: DatasetConfig) -> tuple[tuple[int, ...], np.dtype]:
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
    return tuple(shape), dtype


def _split_names(builder, config: DatasetConfig) -> dict[str, str | None]:
    """TFDS's own word (such as `train[:3600]`) for each of our splits; None for an empty one."""
    own = [name for name, split in builder.info.splits.items() if split.num_examples]
    if "train" not in own:
        raise ValueError(
            f"The data set {builder.name!r} has no split named 'train', only {', '.join(own)}."
        )
    end = 100
    if "test" in own:
        test = "test"
    elif "validation" in own:
        test = "validation"
    else:
        test, end = "train[80%:]", 80
    if "validation" in own and test != "validation":
        return {"train": f"train[:{end}%]", "validation": "validation", "test": test}
    total = builder.info.splits["train"].num_examples * end // 100
    held_out = round(total * config.validation)
    if config.validation and not 0 < held_out < total:
        raise ValueError(
            f"dataset.validation is {config.validation}, which leaves an empty split of the "
            f"{total} training examples of {builder.name!r}; give 0 or another share."
        )
    if end != 100:
        test = f"train[{total}:]"
    return {
        "train": f"train[:{total - held_out}]",
        "validation": f"train[{total - held_out}:{total}]" if held_out else None,
        "test": test,
    }


def _write_split(builder, split: str | None, stem: Path, keys, shape, dtype) -> None:
    """Writes `<stem>_x.npy` and `<stem>_y.npy`, a batch at a time."""
    count = builder.info.splits[split].num_examples if split else 0
    writer = ArrayWriter(Path(f"{stem}_x.npy"), dtype, shape)
    found = [np.empty(0, np.int64)]
    for inputs, labels in _batches(builder, split, keys, shape, dtype) if split else ():
        writer.append(inputs)
        found.append(labels.astype(np.int64))
    writer.close()
    y = np.concatenate(found)
    if len(y) != count:
        raise ValueError(
            f"The split {split!r} of {builder.name!r} holds {len(y)} examples where its "
            f"description says {count}: prepare it again."
        )
    classes = builder.info.features[keys[1]].num_classes
    if count and not (y.min() >= 0 and y.max() < classes):
        raise ValueError(
            f"The split {split!r} of {builder.name!r} has labels from {y.min()} to {y.max()}; "
            f"allowed are 0 to {classes - 1}."
        )
    np.save(f"{stem}_y.npy", y)


def _batches(builder, split, keys, shape, dtype) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    examples = builder.as_dataset(
        split=split,
        shuffle_files=False,
        read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
    ).map(lambda example: (example[keys[0]], example[keys[1]]))
    if examples.element_spec[0].shape != shape:
        examples = examples.map(lambda image, label: (_resize(image, shape, dtype), label))
    return iter(examples.batch(_ROWS).prefetch(1).as_numpy_iterator())


def _resize(image: tf.Tensor, shape: tuple[int, ...], dtype: np.dtype) -> tf.Tensor:
    resized = tf.image.resize(image, shape[:2], antialias=True)
    if np.issubdtype(dtype, np.integer):
        resized = tf.round(resized)
    return tf.ensure_shape(tf.cast(resized, dtype), shape)
