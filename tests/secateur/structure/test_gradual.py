"""Channels and heads pruned while a model trains: masked across whatever ties layers together."""

import keras
import numpy as np
import pytest

from secateur.importance.scoring import score
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.gradual import GradualPruning
from secateur.sparsity.masks import Masks
from secateur.structure.gradual import chooser
from secateur.structure.shrinking import shrink_masked, shrink_where_possible
from tests.secateur.structure.reference import batch, outputs, randomize

L = keras.layers


def residual():
    inputs = keras.Input((8, 8, 2))
    x = L.Conv2D(8, 3, padding="same", name="stem")(inputs)
    y = L.ReLU()(L.BatchNormalization(name="norm")(L.Conv2D(8, 3, padding="same", name="one")(x)))
    x = L.Add()([x, L.Conv2D(8, 3, padding="same", name="two")(y)])
    x = L.GlobalAveragePooling2D()(L.ReLU()(x))
    return randomize(keras.Model(inputs, L.Dense(3, name="logits")(x), name="residual"))


def attention():
    inputs = keras.Input((5, 8))
    x = L.MultiHeadAttention(4, 2, name="attention")(inputs, inputs)
    return randomize(keras.Model(inputs, L.Dense(3)(L.Flatten()(x)), name="attention_model"))


@pytest.mark.parametrize(
    ("build", "pattern", "left"),
    [
        (residual, "channel", {"stem": 4, "one": 4, "two": 4}),
        (attention, "head", {"attention (heads)": 2}),
    ],
)
def test_what_was_masked_in_training_is_cut_in_the_end(build, pattern, left):
    model = build()
    model.compile("adam", "mse", jit_compile=False)
    x = batch(model, 12)
    y = np.zeros((12, 3), "float32")
    target = TargetConfig(
        ratio=0.5, pattern=pattern, schedule="gradual", allocation="uniform", frequency=2
    )
    shares = []
    choose = chooser(model)

    def chosen(scores, step):
        shares.append(step.ratio)
        return choose(scores, step)

    pruning = GradualPruning(
        model, target, 12, lambda: score(model, criterion="magnitude"), choose=chosen
    )
    with pruning:
        model.fit(x, y, batch_size=3, epochs=3, callbacks=[pruning], verbose=0)
        masks = pruning.finish()
    assert shares == sorted(shares)
    assert shares[-1] == 0.5
    small = shrink_masked(model, masks)
    widths = {name: after for name, (before, after) in small.widths.items() if before != after}
    assert widths == left
    for want, got in zip(outputs(model, x), outputs(small.model, x), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_subclassed_models_are_refused_or_left_as_they_are():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inside = L.Dense(4)

        def call(self, x):
            return self.inside(x)

    model = Own()
    model(np.zeros((1, 3), "float32"))
    with pytest.raises(ValueError, match="Functional or Sequential"):
        chooser(model)
    kept = Masks({"inside/kernel": np.zeros((3, 4), bool)})
    found = shrink_where_possible(model, kept)
    assert found.model is model
    assert "stay in it" in found.notices[0]


def test_a_model_without_dead_channels_comes_back_as_it_is():
    model = residual()
    found = shrink_where_possible(model, Masks({"stem/kernel": np.ones((3, 3, 2, 8), bool)}))
    assert found.model is model
    assert found.notices == []
    assert found.widths == {}
