"""Any source -> the arrays of a `Dataset`, with bounded memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from secateur.datasets import load_tfds, shards
from secateur.datasets.config import DatasetConfig
from secateur.datasets.dataset import Dataset
from secateur.datasets.errors import DataError
from secateur.datasets.load_tfds import DownloadError
from secateur.datasets.places import Place, find
from secateur.datasets.raw import Raw
from secateur.datasets.sources import arrays, images, made, table, tfds_features, tfrecord
from secateur.datasets.split_names import measured
from secateur.datasets.understood import complete
from secateur.datasets.write import write

__all__ = ["DownloadError", "materialize"]

_READERS = {
    "csv": table.read,
    "parquet": table.read,
    "npz": arrays.read,
    "tfrecord": tfrecord.read,
    "images": images.read,
}
"""By the kind of a `places.Place`."""


def materialize(config: DatasetConfig, folder: Path) -> Dataset:
    """Loads a data set, and writes its splits as arrays.

    What the source brings as its test and validation split is used as such; without them, shares
    of its training split are held out, always the same examples (see `load_tfds` and `splits`).

    Args:
        config: Which data set.
        folder: An existing, empty folder.

    Returns:
        The data set in `folder`.

    Raises:
        DataError: One sentence: the data cannot be read, or no model can be trained on them.
        DownloadError: A TFDS data set is not prepared and cannot be downloaded.
    """
    scratch = folder / "scratch"
    scratch.mkdir()
    try:
        if config.name is None:
            place = find(config.path) if config.path is not None else None
            info = write(_raw(place, config, scratch), config, folder)
            info["notices"] += place.notices if place else ()
        else:
            builder = load_tfds.prepared(config, scratch / "tfds")
            with shards.whole(builder):
                if load_tfds.classifies(builder, config):
                    info = load_tfds.write(builder, config, folder)
                else:
                    info = write(tfds_features.read(builder, config, scratch), config, folder)
            info["version"] = str(builder.info.version)
            info["understood"]["columns"] = getattr(builder, "columns", None)
    except ValueError as error:
        raise DataError((str(error).strip().splitlines() or [type(error).__name__])[0]) from error
    finally:
        shutil.rmtree(scratch)
    file = folder / "info.json"
    file.write_text(json.dumps(info, indent=2))
    complete(info, Dataset(folder))
    file.write_text(json.dumps(info, indent=2))
    return Dataset(folder)


def _raw(place: Place | None, config: DatasetConfig, scratch: Path) -> dict[str, Raw]:
    if place is None:
        return made.read(config, scratch)
    used = place._replace(splits=measured(place.splits, config))
    return _READERS[place.kind](used, config, scratch)
