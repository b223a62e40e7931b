"""How a key is read, once all records are known; or why it cannot be."""

from __future__ import annotations

from math import prod
from typing import Literal

from secateur.datasets.config import DatasetConfig
from secateur.datasets.sources.record_keys import Key, likely_shape

Way = Literal["numbers", "text", "picture", "pixels"]
"""`pixels` are bytes, one for each value of `dataset.shape`."""


def way_of(
    name: str, keys: dict[str, Key], total: int, config: DatasetConfig, is_target: bool
) -> Way:
    """How the values of a key are read.

    Args:
        name: The key.
        keys: All keys, of all records.
        total: The number of records.
        config: The parameters.
        is_target: Whether it is a target.

    Raises:
        ValueError: One sentence, with the number of records.
    """
    key = keys[name]
    what = f"The key {name!r} of {config.label!r}"
    out = "choose another by dataset.target" if is_target else "leave it out by dataset.features"
    if lacking := key.lengths[0]:
        raise ValueError(
            f"{what} is in {total - lacking:,} of {total:,} records (the first without it is "
            f"{key.first[0]}); write it into each record, or {out}."
        )
    if len(key.kinds) > 1:
        told = " and ".join(f"{kind} in {count:,} records" for kind, count in key.kinds.items())
        raise ValueError(f"{what} holds {told}; write one kind into all of them, or {out}.")
    if len(key.lengths) > 1:
        (often, count), *_ = key.lengths.most_common()
        other = next(length for length in key.lengths if length != often)
        raise ValueError(
            f"{what} holds {often} values in {count:,} of {total:,} records, and another number in "
            f"the others ({other} in {key.first[other]}); write the same number into each, or "
            f"{out}."
        )
    if "bytes_list" not in key.kinds:
        return "numbers"
    if key.images:
        return "picture"
    pixels = len(key.sizes) == 1 and not is_target and 1 in key.lengths
    if pixels and config.shape is not None and prod(config.shape) == next(iter(key.sizes)):
        return "pixels"
    if not key.binary:
        return "text"
    if not pixels:
        raise ValueError(
            f"{what} holds bytes that are neither a picture's file nor text in UTF-8 (the first "
            f"are in {key.binary}); write them as such, or as numbers, or {out}."
        )
    size = next(iter(key.sizes))
    if config.shape is not None:
        raise ValueError(
            f"{what} holds {size:,} raw bytes in each record, and dataset.shape "
            f"{' '.join(map(str, config.shape))} needs {prod(config.shape):,}, one for each value; "
            "give another shape, or write values of several bytes as float_list."
        )
    shape = likely_shape(key, keys) or (size,)
    raise ValueError(
        f"{what} holds {size:,} raw bytes in each record, which are neither a picture's file nor "
        f"text: if they are pixels, give --dataset.features '[\"{name}\"]' --dataset.shape "
        f"'{list(shape)}' (their real height, width and channels), or else {out}."
    )
