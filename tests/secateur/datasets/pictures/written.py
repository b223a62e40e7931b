"""PNG and TIFF files written from arrays by hand: the plainest form that the formats allow."""

from __future__ import annotations

import struct
import zlib

import numpy as np

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's number for gray, gray and alpha, colours, colours and alpha; by channels."""


def png(values: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG of `(height, width, channels)`, uint8 or uint16; `extra` chunks before the pixels."""
    height, width, channels = values.shape
    depth = 8 * values.dtype.itemsize
    rows = values.astype(values.dtype.newbyteorder(">"))
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, depth, COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def tiff(values: np.ndarray, photometric: int = 1, orientation: int = 1, order: str = "<") -> bytes:
    """A TIFF of `(height, width)` or `(height, width, 3)`, of whatever numbers."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    form = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    bits = 8 * values.dtype.itemsize
    ifd = 8 + len(data) + len(data) % 2
    beside = ifd + 2 + 12 * 11 + 4  # where what does not fit into an entry lies
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, bits if channels == 1 else beside),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 8),
        (274, 3, 1, orientation),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
        (339, 3, channels, form if channels == 1 else beside + 6),
    ]
    out = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, ifd)
    out += data + b"\0" * (len(data) % 2) + struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        packed = struct.pack(order + "HH", value, 0) if short else struct.pack(order + "I", value)
        out += struct.pack(order + "HHI", tag, kind, count) + packed
    return out + struct.pack(order + "I6H", 0, *[bits] * 3, *[form] * 3)
