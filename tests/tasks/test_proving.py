"""What a stage has written is proved, whatever went wrong while it was written."""

from __future__ import annotations

import types

import keras
import numpy as np
import pytest

from secateur.graph import copied
from secateur.models import files
from secateur.proof import ProofError
from secateur.sparsity.hold import apply_masks
from secateur.sparsity.masks import Masks
from secateur.tasks import prune_kernels as kernels
from secateur.tasks.proving import proved


def model():
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Conv2D(4, 5, padding="same", name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(4, name="square"),
        keras.layers.Dense(4, name="again"),
    ]
    made = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    made.get_layer("norm").moving_mean.assign([1.0, 2.0, -1.0, 0.5])
    return made


def one_weight_off(written):
    kernel = np.array(written.get_layer("again").kernel)
    kernel[0, 0] = np.nextafter(kernel[0, 0], np.float32(np.inf))
    written.get_layer("again").kernel.assign(kernel)


def transposed(written):
    kernel = written.get_layer("square").kernel
    kernel.assign(np.array(kernel).T)


def swapped(written):
    a, b = (written.get_layer(name).kernel for name in ("square", "again"))
    first, second = np.array(a), np.array(b)
    a.assign(second)
    b.assign(first)


def lost_statistics(written):
    written.get_layer("norm").moving_mean.assign(np.zeros(4))


def another_model(written):
    for variable in written.weights:
        variable.assign(variable + 0.1)


FAULTS = [one_weight_off, transposed, swapped, lost_statistics, another_model]


def broken_by(fault, monkeypatch):
    right = files.save_model

    def save(network, path):
        copy = copied(network)
        fault(copy)
        right(copy, path)

    monkeypatch.setattr(files, "save_model", save)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stage_that_writes_something_else_stops(fault, monkeypatch, tmp_path):
    (tmp_path / "out").mkdir()
    model().save(tmp_path / "model.keras")
    place = types.SimpleNamespace(directory=tmp_path)
    monkeypatch.setattr(kernels, "read", lambda reference: place)
    build = types.SimpleNamespace(directory=tmp_path / "out")
    arguments = {"build": build, "model": None, "size": 3}
    checks = kernels.prune_kernels._work(**arguments).metadata["checks"]
    assert [check["subject"] for check in checks] == ["cut", "file"]
    broken_by(fault, monkeypatch)
    with pytest.raises(ProofError, match=r"model\.keras of 'sequential") as stopped:
        kernels.prune_kernels._work(**arguments)
    assert "\n" not in str(stopped.value)


def test_masks_that_a_file_does_not_hold_are_reported(tmp_path, monkeypatch):
    network, path = model(), tmp_path / "model.keras"
    masks = Masks({"square/kernel": np.eye(4, dtype=bool)})
    apply_masks(network, masks)
    network.save(path)
    first, second, third = proved(network, path, "after fine-tuning", masks=masks)
    assert (first["subject"], second["subject"], third["subject"]) == ("masks", "file", "masks")
    assert third["statement"].endswith("after fine-tuning, in the file that was saved.")
    assert second["examples"] == 4
    other = copied(network)
    kernel = np.array(other.get_layer("square").kernel)
    kernel[0, 1] = 1e-3
    other.get_layer("square").kernel.assign(kernel)
    other.save(path)
    with pytest.raises(ProofError, match="'square/kernel'"):
        proved(network, path, "after fine-tuning", masks=masks)


def test_a_file_that_cannot_be_read_again_is_reported(tmp_path):
    network, path = model(), tmp_path / "model.keras"
    network.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="cannot be loaded"):
        proved(network, path, "after fine-tuning")
