"""A copy computes what the original computes, holds what it holds, and trains as it trains."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import secateur
from secateur.graph import CopyError, copied, fresh
from secateur.models.weights import weight_paths
from secateur.proof.examples import examples_for
from tests.secateur.graph.zoo import MODELS, Subclassed, Towers, make, quantized

ROOT = Path(__file__).resolve().parents[3]
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def by_reload(model, folder):
    """Keras's own way to a second model, as a reference: a file, written and read."""
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras", safe_mode=False)


def outputs(model, x):
    return [np.asarray(y) for y in keras.tree.flatten(model(x, training=False))]


@pytest.mark.parametrize("name", MODELS)
def test_a_copy_computes_what_the_original_computes(name):
    model = make(name)
    x = examples_for(model).x
    before = outputs(model, x)
    copy = copied(model)
    assert type(copy) is type(model)
    assert copy.name == model.name
    for a, b in zip(before, outputs(copy, x), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    shared = {id(v) for v in model.variables} & {id(v) for v in copy.variables}
    assert not shared
    for variable in copy.weights:  # nothing that is done to the copy comes back
        variable.assign(keras.ops.zeros_like(variable))
    for a, b in zip(before, outputs(model, x), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["adapted_nested", "images", "attention", "towers"])
def test_it_is_what_a_file_gives(name, tmp_path):
    model = make(name)
    objects = {"Towers": Towers}
    with keras.saving.custom_object_scope(objects):
        other = by_reload(model, tmp_path)
    x = examples_for(model).x
    for a, b in zip(outputs(other, x), outputs(copied(model), x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_a_quantized_model_is_copied_with_its_scales(mode):
    model = quantized(mode)
    mine, theirs = dict(weight_paths(model)), dict(weight_paths(copied(model)))
    assert {path: v.dtype for path, v in mine.items()} == {p: v.dtype for p, v in theirs.items()}
    for path, variable in mine.items():
        np.testing.assert_array_equal(variable, theirs[path])


def test_dropout_draws_what_it_would_have_drawn():
    model = keras.Sequential([keras.Input((50,)), layers.Dropout(0.5)])
    x = np.ones((2, 50), "float32")
    model(x, training=True)
    copy = copied(model)
    np.testing.assert_array_equal(model(x, training=True), copy(x, training=True))


def test_compile_settings_are_copied_whole():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9),
        weight_decay=0.1,
        use_ema=True,
        gradient_accumulation_steps=2,
    )
    optimizer.exclude_from_weight_decay([model.layers[1].kernel], ["bias"])
    model.compile(
        optimizer,
        CROSSENTROPY,
        loss_weights=[0.5],
        metrics=["accuracy"],
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy("w")],
        steps_per_execution=3,
        jit_compile=False,
    )
    model.evaluate(np.ones((2, 4)), np.zeros(2), verbose=0)
    copy = copied(model)
    assert copy.optimizer is not model.optimizer
    assert copy.optimizer.get_config() == model.optimizer.get_config()
    assert not copy.optimizer._use_weight_decay(copy.layers[1].kernel)
    assert not copy.optimizer._use_weight_decay(copy.layers[0].bias)
    assert copy.optimizer._use_weight_decay(copy.layers[0].kernel)
    assert copy.steps_per_execution == 3
    assert copy.jit_compile is False
    random = np.random.default_rng(0)
    x, y = random.normal(size=(24, 4)), random.integers(0, 2, 24)
    for either in (model, copy):
        keras.utils.set_random_seed(0)
        either.fit(x, y, sample_weight=np.ones(24), epochs=2, shuffle=False, verbose=0)
    for a, b in zip(model.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    names = [metric.name for metric in model.metrics]
    assert [metric.name for metric in copy.metrics] == names


def test_what_is_frozen_stays_frozen_in_a_copy():
    model = make("shared_and_nested")
    model.get_layer(model.layers[-2].name)
    copy = copied(model)
    trained = [v.path for v in model.trainable_variables]
    assert [v.path for v in copy.trainable_variables] == trained
    assert len(trained) < len(model.variables)


class Steps(keras.Model):
    """A Functional subclass with a head of its own for training, and a factor."""

    def train_step(self, data):
        self.seen = getattr(self, "seen", 0) + self.factor
        self.aux(data[0])
        return super().train_step(data)


class Loss(keras.Sequential):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        Loss.calls = getattr(Loss, "calls", 0) + 1
        return super().compute_loss(x, y, y_pred, sample_weight, training)


def test_an_own_way_to_train_is_used_in_fine_tuning():
    i = keras.Input((4,))
    model = Steps(i, layers.Dense(2)(i))
    model.aux, model.factor = layers.Dense(5), 3
    model.aux.build((None, 4))
    model.compile("sgd", CROSSENTROPY, run_eagerly=True)
    x, y = np.ones((8, 4), "float32"), np.zeros(8)
    pruned = secateur.prune(model, (x, y), ratio=0.5, criterion="magnitude", epochs=1, batch_size=4)
    assert pruned.model.seen == 6
    assert not hasattr(model, "seen")
    assert pruned.model.aux is not model.aux
    kernel = np.array(pruned.model.aux.kernel)  # it is not trained, but pruned as all others
    np.testing.assert_array_equal(kernel, np.where(kernel == 0, 0, model.aux.kernel))
    assert kernel.any()

    model = Loss([keras.Input((4,)), layers.Dense(2)])
    model.compile("sgd", CROSSENTROPY, run_eagerly=True)
    secateur.prune(model, (x, y), ratio=0.5, criterion="magnitude", epochs=1)
    assert Loss.calls


class NoConfig(keras.Model):
    def __init__(self, function):
        super().__init__()
        self.function, self.dense = function, layers.Dense(2)

    def call(self, x):
        return self.function(self.dense(x))


class OwnCompile(keras.Sequential):
    def compile(self, optimizer, extra):
        super().compile(optimizer, "mse")
        self.extra = extra


def test_what_cannot_be_copied_is_refused_in_one_sentence():
    model = NoConfig(object().__class__ and (lambda x: x))
    model(np.ones((1, 3)))
    with pytest.raises(CopyError, match="in_place=True") as refused:
        secateur.prune(model, ratio=0.5, criterion="magnitude")
    assert "\n" not in str(refused.value)

    model = OwnCompile([keras.Input((4,)), layers.Dense(2)])
    model.compile("sgd", extra=3)
    with pytest.raises(CopyError, match=r"compile\(\) of its own.*in_place=True"):
        copied(model)

    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.train_step = lambda data: {}
    with pytest.raises(CopyError, match=r"train_step.*in_place=True"):
        copied(model)


def test_attributes_that_were_changed_are_copied():
    model = Subclassed()
    model(np.zeros((2, 3), "float32"))
    model.shift = 2.5
    assert copied(model).shift == 2.5


def test_fresh_weights_keep_what_was_adapted():
    keras.utils.set_random_seed(1)
    model = make("adapted_nested")
    new = fresh(model)
    inner, again = model.layers[2], new.layers[2]
    norm, other = (
        next(x for x in m.layers if isinstance(x, layers.Normalization)) for m in (inner, again)
    )
    np.testing.assert_array_equal(norm.mean, other.mean)
    assert not np.array_equal(inner.layers[-1].kernel, again.layers[-1].kernel)
    np.testing.assert_array_equal(again.layers[-1].bias, 0)


def test_nobody_copies_in_another_way():
    """Weights by their place in a list go to the wrong layers, and other state is lost."""
    wrong = re.compile(r"clone_model|\.set_weights\(|\.get_weights\(")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("secateur", "tasks", "flows")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in path.read_text().splitlines()
        if wrong.search(line)
    ]
    assert not found
