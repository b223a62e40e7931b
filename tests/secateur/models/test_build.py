"""Building and loading models that fit the data."""

from __future__ import annotations

import zipfile

import keras
import numpy as np
import pytest

from secateur.models.architectures import BUILDERS
from secateur.models.build import build_model, check_fits
from secateur.models.config import ModelConfig
from secateur.models.files import load_model, save_model
from secateur.models.weights import content_digest, prunable_weights

layers = keras.layers
IMAGE = (28, 28, 1)

# Kernels as (inputs x outputs) of each layer, by hand; biases are one an output.
KERNELS = {
    "simple_net": [784 * 64, 64 * 32, 32 * 10],
    "lenet_300_100": [784 * 300, 300 * 100, 100 * 10],
    "lenet_5": [5 * 5 * 1 * 6, 5 * 5 * 6 * 16, 400 * 120, 120 * 84, 84 * 10],
}
PARAMETERS = {
    "simple_net": 50_240 + 2_080 + 330,
    "lenet_300_100": 235_500 + 30_100 + 1_010,
    "lenet_5": 156 + 2_416 + 48_120 + 10_164 + 850,
    # A 3x3x1x16 stem and stages of 16, 32, 64 channels without biases, two 1x1 shortcuts, four
    # vectors for each BatchNorm of which two are trained, and the last layer.
    "resnet_20": 144
    + 6 * 9 * 16 * 16
    + (9 * 16 * 32 + 5 * 9 * 32 * 32 + 16 * 32)
    + (9 * 32 * 64 + 5 * 9 * 64 * 64 + 32 * 64)
    + 4 * (7 * 16 + 7 * 32 + 7 * 64)
    + 650,
}


@pytest.mark.parametrize("name", BUILDERS)
def test_an_architecture_has_the_weights_that_are_counted_by_hand(name):
    model = build_model(ModelConfig(name=name), IMAGE, 10)
    assert model.input_shape == (None, *IMAGE)
    assert model.output_shape == (None, 10)
    assert model.count_params() == PARAMETERS[name]
    if name in KERNELS:
        assert [int(np.prod(w.variable.shape)) for w in prunable_weights(model)] == KERNELS[name]


@pytest.mark.parametrize("name", BUILDERS)
def test_an_architecture_gives_logits(name):
    keras.utils.set_random_seed(0)
    model = build_model(ModelConfig(name=name), IMAGE, 10)
    outputs = model(np.random.default_rng(0).normal(size=(3, *IMAGE)) * 5).numpy()
    assert outputs.min() < 0
    assert not np.allclose(outputs.sum(axis=1), 1)


def test_weights_come_from_the_global_seed():
    digests = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        digests.append(content_digest(build_model(ModelConfig(), IMAGE, 10)))
    assert digests[0] == digests[1] != digests[2]


def test_the_classes_and_the_shape_are_those_of_the_data():
    model = build_model(ModelConfig(name="lenet_5"), (32, 40, 3), 7)
    assert (model.input_shape, model.output_shape) == ((None, 32, 40, 3), (None, 7))
    assert build_model(ModelConfig(), (5,), 2).input_shape == (None, 5)


@pytest.mark.parametrize(
    ("name", "shape"), [("lenet_5", (13, 28, 1)), ("lenet_5", (784,)), ("resnet_20", (8, 7, 3))]
)
def test_an_architecture_of_images_refuses_other_inputs(name, shape):
    with pytest.raises(ValueError, match=f"{name} takes images of at least .* choose another"):
        BUILDERS[name](shape, 10)


@pytest.mark.parametrize("shape", [(14, 14, 1)])
def test_the_smallest_image_goes_through(shape):
    assert BUILDERS["lenet_5"](shape, 3)(np.zeros((1, *shape))).shape == (1, 3)
    assert BUILDERS["resnet_20"]((8, 8, 1), 3)(np.zeros((1, 8, 8, 1))).shape == (1, 3)


def _net(inputs=(4,), outputs=3):
    return keras.Sequential([keras.Input(inputs), layers.Flatten(), layers.Dense(outputs)])


def test_a_file_is_loaded_as_it_was_saved(tmp_path):
    model = _net()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    path = tmp_path / "model.keras"
    digest = content_digest(model)
    save_model(model, path)
    loaded = build_model(ModelConfig(path=str(path)), (4,), 3)
    assert content_digest(loaded) == digest
    assert not loaded.compiled


def test_a_saved_file_holds_no_state_of_the_optimizer(tmp_path):
    sizes = []
    for name in ("plain", "trained"):
        model = keras.Sequential([keras.Input((300,)), layers.Dense(300)])
        if name == "trained":
            model.compile("adam", "mse")
            model.fit(np.ones((4, 300)), np.ones((4, 300)), verbose=0)
        save_model(model, tmp_path / f"{name}.keras")
        sizes.append((tmp_path / f"{name}.keras").stat().st_size)
    assert sizes[1] == pytest.approx(sizes[0], rel=0.01)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "no config", "no weights"])
def test_a_damaged_file_is_refused_in_one_sentence(damage, tmp_path):
    path = tmp_path / "model.keras"
    save_model(_net((40,)), path)
    content = path.read_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("no model")
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
    else:
        left_out = "config.json" if damage == "no config" else "model.weights.h5"
        with zipfile.ZipFile(path) as old:
            kept = {name: old.read(name) for name in old.namelist() if name != left_out}
        with zipfile.ZipFile(path, "w") as new:
            for name, data in kept.items():
                new.writestr(name, data)
    with pytest.raises(
        ValueError, match=r"The model file '.*model\.keras' cannot be loaded: \S"
    ) as e:
        load_model(path)
    assert "\n" not in str(e.value)


def test_code_inside_a_file_does_not_run(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x + 1), layers.Dense(3)])
    save_model(model, tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"cannot be loaded: .*\b[Ll]ambda"):
        load_model(tmp_path / "model.keras")


def test_a_model_that_does_not_fit_the_data_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    save_model(_net((4,), 3), path)
    config = ModelConfig(path=str(path))
    with pytest.raises(ValueError, match=r"inputs of shape \(batch, 4\), but .* \(batch, 5\)"):
        build_model(config, (5,), 3)
    with pytest.raises(
        ValueError, match=r"\(batch, 3\), but the data set has 7 classes .*batch, 7"
    ):
        build_model(config, (4,), 7)


def _two_inputs():
    a, b = keras.Input((4,)), keras.Input((4,))
    return keras.Model([a, b], layers.Dense(3)(layers.Add()([a, b])))


def _two_outputs():
    a = keras.Input((4,))
    return keras.Model(a, [layers.Dense(3)(a), layers.Dense(3)(a)])


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (_two_inputs, "takes inputs"),
        (_two_outputs, "gives outputs"),
        (lambda: keras.Sequential([keras.Input((4, 2)), layers.Dense(3)]), "takes inputs"),
        (lambda: keras.Sequential([keras.Input((4,)), layers.Reshape((4, 1))]), "gives outputs"),
    ],
)
def test_models_of_other_forms_are_refused(model, part):
    with pytest.raises(ValueError, match=f"The model {part} of shape .*choose a model"):
        check_fits(model(), (4,), 3)


def test_a_model_of_any_image_size_fits():
    inputs = keras.Input((None, None, 3))
    outputs = layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inputs)))
    check_fits(keras.Model(inputs, outputs), (32, 32, 3), 3)


class Subclassed(keras.Model):
    def __init__(self, outputs=3):
        super().__init__()
        self.dense = layers.Dense(outputs)

    def call(self, inputs):
        return self.dense(inputs)


def test_a_subclassed_model_is_checked_too():
    model = Subclassed()
    model(np.zeros((1, 4)))
    check_fits(model, (4,), 3)
    with pytest.raises(ValueError, match="classes"):
        check_fits(model, (4,), 2)
    with pytest.raises(ValueError, match=r"does not take inputs of shape \(batch, 5\), which"):
        check_fits(model, (5,), 3)


@pytest.fixture
def factories(tmp_path, monkeypatch):
    """Writes factories into a module of a test's own that the operator allows."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SECATEUR_MODEL_MODULES", "nets_of_a_test")

    def write(text):
        (tmp_path / "nets_of_a_test.py").write_text("import keras\n" + text)
        monkeypatch.delitem(__import__("sys").modules, "nets_of_a_test", raising=False)
        return ModelConfig(factory="nets_of_a_test:build")

    return write


def test_a_factory_is_called_with_shape_and_classes(factories):
    config = factories(
        "def build(shape, classes):\n"
        "    layers = [keras.layers.Flatten(), keras.layers.Dense(classes)]\n"
        "    return keras.Sequential(layers)\n"
    )
    model = build_model(config, (4, 2), 3)
    assert model.count_params() == 8 * 3 + 3  # built, though the factory did not


def test_a_factory_can_give_a_subclassed_model(factories):
    config = factories(
        "class Net(keras.Model):\n"
        "    def __init__(self, classes):\n"
        "        super().__init__()\n"
        "        self.dense = keras.layers.Dense(classes)\n"
        "    def call(self, x):\n"
        "        return self.dense(x)\n"
        "def build(shape, classes):\n"
        "    return Net(classes)\n"
    )
    assert build_model(config, (4,), 3).count_params() == 4 * 3 + 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def build(shape, classes): return 1", "returned 1; it has to return a keras.Model"),
        ("def other(): pass", "'nets_of_a_test:build' cannot be imported: .*build"),
        ("import nowhere_to_be_found", "cannot be imported: .*nowhere_to_be_found"),
        ("def build(shape, classes): raise KeyError('units')", "failed .*KeyError: 'units'"),
        ("def build(): pass", "failed .*TypeError: build.* takes 0 positional"),
        ("raise RuntimeError('no licence')", "cannot be imported: RuntimeError: no licence"),
        ("def build(shape, classes)", "cannot be imported: SyntaxError: "),
        (
            "def build(s, c): return keras.Sequential([keras.Input((9,)), keras.layers.Dense(c)])",
            "takes inputs of shape",
        ),
    ],
)
def test_a_factory_that_fails_is_named(text, message, factories):
    with pytest.raises(ValueError, match=message):
        build_model(factories(text + "\n"), (4,), 3)
