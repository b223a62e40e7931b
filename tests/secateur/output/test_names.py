"""Names of results, beside what writes them."""

from __future__ import annotations

from typing import get_args

from secateur.export.config import Format
from secateur.export.writing import FILES
from secateur.output import names_of


def test_exported_files_have_the_names_that_the_export_gives_them():
    for format in get_args(Format):
        assert FILES[format] in names_of("prune", (format,))
    names = names_of("prune", ("keras", "litert"), "float16")
    assert FILES["litert"].replace(".", "_float16.") in names
    assert len(names) == len(set(names))
    assert FILES["onnx"] not in names
