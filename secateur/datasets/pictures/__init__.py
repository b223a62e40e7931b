"""Encoded pictures -> numbers: one decoder and one rule for folders, records and TFDS."""
