"""What the stages of a transfer import as they run is what their keys count."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.tasks.test_closure import _run


@pytest.mark.slow
def test_the_stages_of_a_transfer_import_only_what_their_keys_count(tmp_path):
    layers = [keras.layers.Flatten(), keras.layers.Dense(8), keras.layers.Dense(3, name="head")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    kernel = model.layers[1].kernel
    kernel.assign(np.where(kernel.numpy() < 0, 0, kernel.numpy()))
    model.save(tmp_path / "model.keras")
    (data,) = _run("load_data", {"dataset": {"name": "digits"}})
    (source,) = _run("source", {"path": str(tmp_path / "model.keras")})
    (adapted,) = _run("transfer", {"source": source, "data": data, "seed": 1})
    _run("transfer_scratch", {"adapted": adapted, "seed": 1})
    epoch = {"epochs": 1, "batch_size": 500}
    call = {"data": data, "adapted": adapted, "head": "head", "fine_tune": epoch, "seed": 1}
    _run("fine_tune_head", call)
