"""KerasHub presets from a folder; keras_hub is slow to import, so it is a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
import keras, keras_hub, numpy as np
from pathlib import Path
from secateur.datasets.traits import Traits
from secateur.importance.scoring import score
from secateur.models.build import build_model
from secateur.models.config import ModelConfig
from secateur.models.files import load_model, save_model
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import describe
from secateur.sparsity.select import select

folder = Path(sys.argv[1])
keras.utils.set_random_seed(0)
body = keras_hub.models.ResNetBackbone(
    [64], [3], [64], [1], [1], "basic_block", image_shape=(16, 16, 3)
)
body.save_to_preset(str(folder / "body"))
saved = {"classifier": keras_hub.models.ImageClassifier(backbone=body, num_classes=4)}
text = keras_hub.models.BertBackbone(30, 2, 2, 16, 32, max_sequence_length=8)
saved["text"] = keras_hub.models.BertTextClassifier(backbone=text, num_classes=3)
for name, task in saved.items():
    task.save_to_preset(str(folder / name))
image, words = np.ones((2, 16, 16, 3), np.float32), np.ones((2, 8), np.int32)
tokens = {"token_ids": words, "padding_mask": words, "segment_ids": words}
shapes = {name: (8,) for name in tokens}
for name, shape, classes, x in (
    ("body", (16, 16, 3), 4, image),
    ("classifier", (16, 16, 3), 4, image),
    ("text", shapes, 3, tokens),
):
    model = build_model(ModelConfig(preset=str(folder / name)), shape, classes)
    masks = select(
        score(model, None, "magnitude"), TargetConfig(ratio=0.5), layers=describe(model)
    )
    assert abs(masks.sparsity() - 0.5) < 1e-3
    save_model(model, folder / "model.keras")
    again = load_model(folder / "model.keras")
    np.testing.assert_allclose(again(x), model(x), rtol=1e-4, atol=1e-5)
    assert model(x).shape == (2, classes)
    if name in saved:
        np.testing.assert_allclose(model(x), saved[name](x), rtol=1e-4, atol=1e-5)
kernel = np.asarray(keras_hub.models.Backbone.from_preset(str(folder / "body"))(image))
np.testing.assert_allclose(kernel, body(image), rtol=1e-4, atol=1e-5)
try:
    build_model(ModelConfig(preset=str(folder / "classifier")), (16, 16, 3), 7)
except ValueError as error:
    assert "the data set has 7 classes" in str(error), error
else:
    raise AssertionError("a classifier of four classes fits seven")
print("done")
"""


@pytest.mark.slow
def test_a_backbone_and_classifiers(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("done\n")
