"""Readers of data beside TFDS: `read(files by split, config, scratch folder) -> Raw by split`."""

REGISTRY = True  # the cache key of load_data counts this whole folder
