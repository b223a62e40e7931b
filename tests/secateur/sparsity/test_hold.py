"""Removed weights stay exactly zero, and holding leaves nothing behind."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from secateur.models.weights import content_digest, prunable_weights
from secateur.proof import ProofError
from secateur.sparsity.hold import apply_masks, hold
from secateur.sparsity.masks import Masks


def random_masks(model, seed=0, share=0.7):
    random = np.random.default_rng(seed)
    shapes = {w.path: tuple(w.variable.shape) for w in prunable_weights(model)}
    return Masks({path: random.random(shape) > share for path, shape in shapes.items()})


def removed_are_zero(model, masks):
    weights = {
        w.path: keras.ops.convert_to_numpy(w.variable.value) for w in prunable_weights(model)
    }
    return all(np.all(weights[path][~masks[path]] == 0) for path in masks)


def kept_have_moved(model, masks, before):
    after = {w.path: keras.ops.convert_to_numpy(w.variable.value) for w in prunable_weights(model)}
    return all(np.any(after[path][masks[path]] != before[path][masks[path]]) for path in masks)


def values(model):
    return {
        w.path: keras.ops.convert_to_numpy(w.variable.value).copy() for w in prunable_weights(model)
    }


def dense_model(constraint=None):
    keras.utils.set_random_seed(0)
    x = keras.Input((6,))
    y = keras.layers.Dense(8, activation="relu", name="a", kernel_constraint=constraint)(x)
    y = keras.layers.BatchNormalization(name="n")(y)
    return keras.Model(x, keras.layers.Dense(3, name="b")(y), name="m")


def data(n=32):
    random = np.random.default_rng(1)
    return random.standard_normal((n, 6)).astype("float32"), random.integers(0, 3, n)


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.05),
    "adamw": lambda: keras.optimizers.AdamW(0.05, weight_decay=0.1),
    "ema": lambda: keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9),
    "ema_overwrite": lambda: keras.optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "accumulation": lambda: keras.optimizers.Adam(0.05, gradient_accumulation_steps=2),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.05, use_ema=True)
    ),
}


class _ZeroAfterEachStep(keras.callbacks.Callback):
    def __init__(self, masks):
        super().__init__()
        self.masks = masks
        self.steps = 0

    def on_train_batch_end(self, batch, logs=None):
        assert removed_are_zero(self.model, self.masks)
        self.steps += 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zeros_hold_after_each_step_of_any_optimizer(name):
    model = dense_model()
    model.compile(OPTIMIZERS[name](), LOSS)
    masks, before, check = random_masks(model), values(model), None
    check = _ZeroAfterEachStep(masks)
    with hold(model, masks):
        model.fit(*data(), batch_size=8, epochs=2, verbose=0, callbacks=[check])
    assert check.steps == 8
    assert removed_are_zero(model, masks)
    assert kept_have_moved(model, masks, before)


def test_a_model_that_was_trained_before_is_held_and_is_free_again_afterwards():
    model = dense_model()
    model.compile("adam", LOSS)
    model.fit(*data(), verbose=0)  # traced without masks
    masks = random_masks(model)
    with hold(model, masks):
        model.fit(*data(), verbose=0, epochs=2)
    assert removed_are_zero(model, masks)
    assert all(v.constraint is None for v in model.trainable_variables)
    model.fit(*data(), verbose=0)
    assert not removed_are_zero(model, masks)


def test_averages_of_dense_training_do_not_revive_weights():
    model = dense_model()
    model.compile(keras.optimizers.Adam(0.05, use_ema=True), LOSS)
    model.fit(*data(), verbose=0)
    masks = random_masks(model)
    with hold(model, masks):
        model.fit(*data(), verbose=0)
    assert removed_are_zero(model, masks)


def test_constraints_come_back_also_after_an_error():
    constraint = keras.constraints.MaxNorm(0.5)
    model = dense_model(constraint)
    model.compile("sgd", LOSS)
    masks = random_masks(model)
    kernel = model.get_layer("a").kernel

    def fail():
        assert kernel.constraint is not constraint
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), hold(model, masks):
        fail()
    assert kernel.constraint is constraint
    assert model.get_layer("b").kernel.constraint is None


def test_a_constraint_of_the_users_is_kept_as_well():
    model = dense_model(keras.constraints.UnitNorm())
    model.compile(keras.optimizers.SGD(0.5), LOSS)
    masks = random_masks(model, share=0.3)
    with hold(model, masks):
        model.fit(*data(), verbose=0, epochs=2)
    assert removed_are_zero(model, masks)
    norms = np.linalg.norm(values(model)["a/kernel"], axis=0)
    np.testing.assert_allclose(norms, 1, atol=1e-5)


def test_a_file_saved_while_held_loads_as_a_plain_model(tmp_path):
    model = dense_model(keras.constraints.MaxNorm(2.0))
    model.compile("adam", LOSS)
    masks = random_masks(model)
    with hold(model, masks):
        model.fit(*data(), verbose=0)
        model.save(tmp_path / "m.keras")
        held = content_digest(model)
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    assert "Mask" not in loaded.to_json()
    assert content_digest(loaded) == held == content_digest(model)
    assert removed_are_zero(loaded, masks)
    with hold(loaded, masks):  # attached again, training goes on
        loaded.fit(*data(), verbose=0)
    assert removed_are_zero(loaded, masks)


def test_masks_change_without_a_new_trace():
    model = dense_model()
    model.compile("sgd", LOSS)
    first, second = random_masks(model, 1), random_masks(model, 2)
    with hold(model, first) as held:
        model.fit(*data(), verbose=0)
        traced = model.train_function
        held.update(second)
        assert removed_are_zero(model, second)
        model.fit(*data(), verbose=0)
        assert model.train_function is traced
    assert removed_are_zero(model, second)
    assert not removed_are_zero(model, first)  # what came back has grown


def test_a_training_loop_of_ones_own_is_held():
    model = dense_model()
    optimizer = keras.optimizers.Adam(0.05)
    masks = random_masks(model)
    x, y = data()
    with hold(model, masks) as held:

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                loss = LOSS(y, model(x, training=True))
            optimizer.apply(
                tape.gradient(loss, model.trainable_variables), model.trainable_variables
            )

        @tf.function
        def raw_step():
            with tf.GradientTape() as tape:
                loss = LOSS(y, model(x, training=True))
            for v, g in zip(
                model.trainable_variables,
                tape.gradient(loss, model.trainable_variables),
                strict=True,
            ):
                v.assign_sub(0.1 * g)
            held.enforce()

        for _ in range(3):
            step()
            assert removed_are_zero(model, masks)
        for _ in range(3):
            raw_step()
            assert removed_are_zero(model, masks)


def _nested_and_shared():
    inner = keras.Sequential([keras.Input((6, 4)), keras.layers.Dense(4, name="d")], name="inner")
    shared = keras.layers.Dense(4, name="shared")
    x = keras.Input((6,), dtype="int32")
    y = keras.layers.Embedding(20, 4, name="e")(x)
    y = shared(shared(inner(y)))
    y = keras.layers.LSTM(5, name="l")(y)
    return keras.Model(x, keras.layers.Dense(3, name="out")(y))


def test_nested_shared_recurrent_and_embedding_layers_are_held():
    keras.utils.set_random_seed(0)
    model = _nested_and_shared()
    model.compile("adam", LOSS)
    masks = random_masks(model)
    assert len(masks) == 6
    before = values(model)
    x = np.random.default_rng(0).integers(0, 20, (32, 6))
    with hold(model, masks):
        model.fit(x, data()[1], verbose=0, epochs=2)
    assert removed_are_zero(model, masks)
    assert kept_have_moved(model, masks, before)


def test_frozen_layers_and_half_precision():
    model = dense_model()
    model.get_layer("a").trainable = False
    model.compile("adam", LOSS)
    masks = random_masks(model)
    with hold(model, masks):
        model.fit(*data(), verbose=0)
    assert removed_are_zero(model, masks)

    half = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, dtype="bfloat16")])
    half.compile("sgd", LOSS)
    masks = random_masks(half)
    with hold(half, masks):
        half.fit(*data(), verbose=0)
    assert removed_are_zero(half, masks)


def test_apply_masks_zeroes_and_refuses_other_models():
    model = dense_model()
    digest = content_digest(model)
    random = random_masks(model)
    masks = Masks(dict(random), model_digest=digest)
    apply_masks(model, masks, expected_digest=digest)
    assert removed_are_zero(model, masks)
    apply_masks(model, masks)  # the weights are others now, paths and shapes still fit
    with pytest.raises(ValueError, match="another model"):
        apply_masks(model, masks, expected_digest=content_digest(model))

    x = keras.Input((7,))
    other = keras.Model(x, keras.layers.Dense(8, name="z")(x))
    with pytest.raises(ValueError, match="no weight a/kernel"):
        apply_masks(other, masks)
    wider = keras.Model(x, keras.layers.Dense(8, name="a")(x))
    with (
        pytest.raises(ValueError, match=r"a/kernel has the shape \(6, 8\).*\(7, 8\)"),
        hold(wider, masks),
    ):
        pass


def nested():
    """An outer model that trains a part which is held by itself."""
    keras.utils.set_random_seed(0)
    inner = dense_model()
    x = keras.Input((6,))
    outer = keras.Model(x, keras.layers.Dense(3, name="head")(inner(x)), name="outer")
    return inner, outer


@pytest.mark.parametrize("name", ["adam", "ema", "ema_overwrite"])
def test_a_part_is_held_while_the_whole_which_was_traced_before_trains(name):
    inner, outer = nested()
    outer.compile(OPTIMIZERS[name](), LOSS)
    outer.fit(*data(), epochs=2, verbose=0)
    masks = random_masks(inner)
    constraints = [w.constraint for w in inner.weights]
    with hold(inner, masks):
        outer.fit(*data(), epochs=2, verbose=0)
        outer.train_on_batch(*data())
        assert removed_are_zero(inner, masks)
    assert [w.constraint for w in inner.weights] == constraints
    outer.fit(*data(), epochs=1, verbose=0)
    assert not removed_are_zero(inner, masks)


def test_the_whole_is_held_while_a_part_which_was_traced_before_trains():
    inner, outer = nested()
    inner.compile("adam", LOSS)
    inner.fit(*data(), verbose=0)
    masks = random_masks(outer)
    with hold(outer, masks):
        inner.fit(*data(), verbose=0)
        assert removed_are_zero(outer, masks)


def own_loop(model, optimizer):
    x, y = data()

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = LOSS(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    return step


def test_a_step_that_was_traced_before_is_noticed_and_the_constraints_come_back():
    model = dense_model(keras.constraints.MaxNorm(2))
    constraints = [w.constraint for w in model.weights]
    step = own_loop(model, keras.optimizers.Adam(0.05))
    step()
    masks = random_masks(model)
    said = r"weights that the masks remove from 'a/kernel' are not zero.*trace a step.*enforce\(\)"
    with pytest.raises(ProofError, match=said), hold(model, masks):
        step()
    assert [w.constraint for w in model.weights] == constraints
    with hold(model, masks) as held:  # the same step, used as it should be
        step()
        held.enforce()


def test_averages_of_a_loop_of_ones_own_that_revive_weights_are_noticed():
    model = dense_model()
    optimizer = keras.optimizers.SGD(0.1, use_ema=True)
    masks = random_masks(model)
    own_loop(model, optimizer)()  # the averages are of all weights

    def train():
        with hold(model, masks):
            own_loop(model, optimizer)()
            optimizer.finalize_variable_values(model.trainable_variables)

    with pytest.raises(ProofError, match="not zero"):
        train()


def test_an_error_in_the_block_is_the_one_that_is_told():
    model = dense_model()

    def fail():
        with hold(model, random_masks(model)):
            model.get_layer("a").kernel.assign(np.ones((6, 8)))
            raise KeyError("theirs")

    with pytest.raises(KeyError, match="theirs"):
        fail()


def test_a_model_whose_init_stopped_half_way_does_not_disturb():
    kept = []

    class Half(keras.Model):
        def __init__(self):
            kept.append(self)
            raise OSError("stopped")

    with pytest.raises(OSError, match="stopped"):
        Half()
    model = dense_model()
    with hold(model, random_masks(model)):
        pass
