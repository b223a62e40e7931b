"""`secateur.prune` as a notebook calls it."""

import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import secateur
from secateur.importance import score
from secateur.models.weights import content_digest, prunable_weights
from secateur.sparsity import select
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.layout import describe

L = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
README = Path(__file__).parents[2] / "README.md"


def network(compiled=True):
    keras.utils.set_random_seed(5)
    x = keras.Input((10,))
    y = L.Dense(16, activation="relu", name="a")(x)
    y = L.Dense(3, name="c")(L.Dense(12, activation="relu", name="b")(y))
    model = keras.Model(x, y, name="net")
    if compiled:
        model.compile(keras.optimizers.Adam(0.02), LOSS, metrics=["accuracy"], jit_compile=False)
    return model


@pytest.fixture(scope="module")
def data():
    """Three classes that a line can almost tell apart."""
    random = np.random.default_rng(0)
    x = random.standard_normal((240, 10)).astype("float32")
    return x, np.argmax(x[:, :3] + 0.3 * random.standard_normal((240, 3)), axis=1)


@pytest.fixture(scope="module")
def trained(data):
    model = network()
    model.fit(*data, epochs=10, verbose=0)
    return model


def values(model):
    return {w.path: w.variable.numpy() for w in prunable_weights(model)}


def zeros_where_masked(pruned):
    found = values(pruned.model)
    return all(not found[path][~pruned.masks[path]].any() for path in pruned.masks)


def test_nothing_but_a_model_and_a_ratio():
    model = network(compiled=False)
    before = content_digest(model)
    pruned = secateur.prune(model, ratio=0.75, criterion="magnitude")
    assert pruned.sparsity == pruned.masks.sparsity() == 0.75
    assert content_digest(model) == before == pruned.masks.model_digest
    assert zeros_where_masked(pruned)
    for path, value in values(pruned.model).items():
        mask = pruned.masks[path]
        np.testing.assert_array_equal(value, np.where(mask, values(model)[path], 0))
    assert pruned.metrics == {}
    assert [layer.name for layer in pruned.layers] == ["a", "b", "c"]
    assert "75.00%" not in pruned.notices
    shown = str(pruned)
    assert all(layer.name in shown for layer in pruned.layers)


def test_it_is_score_select_and_hold(trained, data):
    pruned = secateur.prune(
        trained,
        data,
        0.6,
        criterion="taylor",
        allocation="erk",
        examples=100,
        seed=4,
        exclude=["c"],
        floor=3,
    )
    target = TargetConfig(ratio=0.6, allocation="erk", exclude=["c"], floor=3)
    scores = score(trained, data, "taylor", examples=100, seed=4)
    digest = content_digest(trained)
    expected = select(scores, target, layers=describe(trained), model_digest=digest)
    assert pruned.masks.digest() == expected.digest()


def test_fine_tuning_helps_and_keeps_zeros(trained, data):
    pruned = secateur.prune(
        trained, data, ratio=0.8, criterion="magnitude", epochs=5, validation=data
    )
    assert zeros_where_masked(pruned)
    assert list(pruned.metrics) == ["dense", "pruned", "fine_tuned"]
    loss = {subject: metrics["loss"] for subject, metrics in pruned.metrics.items()}
    assert loss["dense"] < loss["fine_tuned"] < loss["pruned"]
    assert len(pruned.history) == 1
    assert len(pruned.history[0]["loss"]) == 5
    assert re.search(r"fine_tuned: accuracy 0\.\d+, loss 0\.\d+", str(pruned))
    assert pruned.model is not trained
    assert pruned.model.optimizer is not trained.optimizer


def test_iterative_rounds_only_remove(trained, data):
    pruned = secateur.prune(
        trained, data, 0.9, criterion="gradient", schedule="iterative", rounds=3, epochs=2
    )
    assert len(pruned.history) == 3
    assert pruned.sparsity == pytest.approx(round(0.9 * 388) / 388)
    assert zeros_where_masked(pruned)
    once = secateur.prune(trained, data, 0.9, criterion="gradient")
    assert pruned.masks.digest() != once.masks.digest()


@pytest.mark.parametrize("criterion", ["magnitude", "gradient", "movement"])
def test_gradual(trained, data, criterion):
    pruned = secateur.prune(
        trained, data, 0.8, criterion=criterion, schedule="gradual", frequency=4, epochs=4
    )
    assert pruned.sparsity == round(0.8 * 388) / 388
    assert zeros_where_masked(pruned)
    assert pruned.masks.model_digest == content_digest(trained)
    assert list(pruned.history[0]["loss"])[-1] < 2


def test_sparsegpt_mends(trained, data):
    options = {"ratio": 0.6, "allocation": "uniform", "validation": data}
    mended = secateur.prune(trained, data, criterion="sparsegpt", **options)
    bare = secateur.prune(trained, data, criterion="random", **options)
    assert mended.masks.kept() == bare.masks.kept()
    assert zeros_where_masked(mended)
    assert mended.metrics["pruned"]["loss"] < bare.metrics["pruned"]["loss"]
    two_of_four = secateur.prune(
        trained, data, criterion="sparsegpt", pattern="2:4", schedule="one_shot", exclude=["c"]
    )
    mask = two_of_four.masks["b/kernel"]
    assert (mask.reshape(4, 4, 12).sum(1) == 2).all()
    assert "c/kernel" not in two_of_four.masks
    rounds = secateur.prune(
        trained,
        data,
        0.8,
        criterion="sparsegpt",
        allocation="erk",
        schedule="iterative",
        rounds=2,
        epochs=1,
    )
    assert rounds.sparsity == round(0.8 * 388) / 388
    layers = secateur.prune(trained, data, criterion="sparsegpt", allocation={"a": 0.5, "b": 0.9})
    assert [round(x.sparsity, 2) for x in layers.layers] == [0.5, 0.9, 0.0]


def test_batch_norm_is_measured_anew(data):
    """What reaches it from the weights that are left has the mean and variance that it knows."""
    keras.utils.set_random_seed(5)
    layers = [keras.Input((10,)), L.Dense(16, name="a"), L.BatchNormalization(name="n"), L.Dense(3)]
    model = keras.Sequential(layers)
    pruned = secateur.prune(model, data, ratio=0.5, criterion="magnitude").model
    seen = keras.Model(pruned.inputs, pruned.get_layer("a").output).predict(data[0], verbose=0)
    np.testing.assert_allclose(pruned.get_layer("n").moving_mean, seen.mean(0), atol=1e-5)
    np.testing.assert_allclose(pruned.get_layer("n").moving_variance, seen.var(0), rtol=1e-4)
    before = secateur.prune(model, ratio=0.5, criterion="magnitude").model.get_layer("n")
    assert not np.array(before.moving_mean).any()


def test_datasets(trained, data):
    batches = tf.data.Dataset.from_tensor_slices(data).batch(32)
    for schedule in ("one_shot", "gradual"):
        pruned = secateur.prune(
            trained, batches, 0.5, schedule=schedule, frequency=3, epochs=2, validation=batches
        )
        assert pruned.sparsity == 0.5
        assert len(pruned.metrics["fine_tuned"]) == 2
    endless = batches.repeat()
    with pytest.raises(ValueError, match="no end"):
        secateur.prune(trained, endless, 0.5, criterion="magnitude", schedule="gradual", epochs=1)


@pytest.mark.parametrize("form", ["pandas", "generator", "PyDataset", "not batched"])
def test_data_in_another_form_give_the_same_model(trained, data, form):
    x, y = data
    index = np.random.default_rng(1).permutation(len(y))

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 8

        def __getitem__(self, place):
            return x[30 * place : 30 * place + 30], y[30 * place : 30 * place + 30]

    given = {
        "pandas": lambda: (pd.DataFrame(x, index=index), pd.Series(y, index=index)),
        "generator": lambda: ((x[i : i + 50], y[i : i + 50]) for i in range(0, len(y), 50)),
        "PyDataset": Batches,
        "not batched": lambda: tf.data.Dataset.from_tensor_slices(data),
    }[form]
    options = {"ratio": 0.5, "criterion": "taylor", "loss": LOSS}
    wanted = secateur.prune(trained, data, validation=data, **options)
    pruned = secateur.prune(trained, given(), validation=given(), **options)
    for path, value in values(wanted.model).items():
        np.testing.assert_array_equal(values(pruned.model)[path], value)
    for name, value in wanted.metrics["pruned"].items():
        assert pruned.metrics["pruned"][name] == pytest.approx(value, rel=1e-5)


def test_in_place(data):
    class Own(keras.Model):
        def __init__(self, width):
            super().__init__()
            self.first, self.second = L.Dense(width), L.Dense(3)

        def call(self, x):
            return self.second(keras.ops.relu(self.first(x)))

    model = Own(8)
    model(data[0][:1])
    with pytest.raises(ValueError, match="in_place=True"):
        secateur.prune(model, data, 0.5, criterion="gradient", loss=LOSS)
    pruned = secateur.prune(model, data, 0.5, criterion="gradient", loss=LOSS, in_place=True)
    assert pruned.model is model
    assert pruned.sparsity == 0.5
    assert zeros_where_masked(pruned)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "does not say how much"),
        ({"ratio": 1.5}, "less than 1"),
        ({"ratio": 0.5, "criterion": "magnitud"}, "Did you mean 'magnitude'"),
        ({"ratio": 0.5, "schedul": "gradual"}, "Extra inputs"),
        ({"ratio": 0.5, "criterion": "sparsegpt"}, "use allocation uniform, erk"),
        ({"ratio": 0.5, "schedule": "gradual"}, "pass epochs"),
        ({"ratio": 0.5, "epochs": 1, "data": None}, "needs data"),
    ],
)
def test_bad_calls_are_refused_before_any_work(trained, data, options, said):
    before = content_digest(trained)
    options = {"data": data, **options}
    with pytest.raises(ValueError, match=re.escape(said)):
        secateur.prune(trained, **options)
    assert content_digest(trained) == before


def test_uncompiled_models_cannot_be_trained_or_measured(data):
    model = network(compiled=False)
    with pytest.raises(ValueError, match="compiled model"):
        secateur.prune(model, data, 0.5, criterion="magnitude", epochs=1)
    with pytest.raises(ValueError, match="compiled model"):
        secateur.prune(model, data, 0.5, criterion="magnitude", validation=data)


def test_importing_secateur_imports_no_tensorflow():
    code = (
        "import sys, secateur\n"
        "heavy = ('tensorflow', 'keras', 'numpy', 'prefect', 'pydantic')\n"
        "print([m for m in heavy if m in sys.modules])\n"
        "secateur.prune\n"
        "above = ('prefect', 'secateur.flows', 'secateur.tasks')\n"
        "print([m for m in sys.modules if m.startswith(above)])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]"]
    with pytest.raises(AttributeError, match="prunes"):
        secateur.prunes  # noqa: B018


@pytest.mark.slow
def test_the_example_in_the_readme(tmp_path, monkeypatch, capsys):
    text = README.read_text()
    section = text[text.index("## In a notebook") :]
    (code,) = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.S)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    pruned = names["pruned"]
    assert pruned.sparsity == pytest.approx(0.9, abs=1e-4)
    dense, tuned = (pruned.metrics[subject]["accuracy"] for subject in ("dense", "fine_tuned"))
    assert tuned > dense - 0.05
    assert str(pruned) in capsys.readouterr().out
    smaller, model = names["smaller"].model, names["model"]
    assert smaller.layers[0].units == model.layers[0].units / 2
    assert names["found"].outcome.costs["bytes"] < names["found"].dense["bytes"]
    loaded = keras.saving.load_model(tmp_path / "pruned.keras")
    total = sum(w.variable.shape.num_elements() for w in prunable_weights(loaded))
    nonzero = sum(np.count_nonzero(w.variable.numpy()) for w in prunable_weights(loaded))
    assert 1 - nonzero / total == pytest.approx(0.9, abs=1e-4)


@pytest.mark.parametrize("criterion", ["magnitude", "gradient"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y: (x, y + 1), "label value of 3 which is outside"),
        (lambda x, y: (x, np.array(["a", "b", "c"])[y]), "y holds text"),
        (
            lambda x, y: (np.array(["a", "b"])[np.int64(x > 0)], y),
            "x holds text, and 'net' takes numbers",
        ),
    ],
)
def test_data_that_the_model_cannot_take_are_told_in_one_sentence(data, change, said, criterion):
    with pytest.raises(ValueError, match=said) as refused:
        secateur.prune(network(), change(*data), ratio=0.5, criterion=criterion, epochs=1)
    assert "\n" not in str(refused.value)


def test_stateful_layers_are_refused_where_examples_are_looked_at():
    i = keras.Input(batch_shape=(4, 5, 3))
    model = keras.Model(i, L.Dense(3)(L.LSTM(4, stateful=True, name="lstm")(i)))
    model.compile("adam", LOSS)
    data = np.ones((8, 5, 3), "float32"), np.zeros(8)
    for criterion in ("gradient", "activation", "wanda", "entropy", "movement", "sparsegpt"):
        how = {"allocation": "uniform"} if criterion == "sparsegpt" else {}
        with pytest.raises(ValueError, match="'lstm' is stateful") as refused:
            secateur.prune(model, data, ratio=0.5, criterion=criterion, **how)
        assert "\n" not in str(refused.value)
    pruned = secateur.prune(model, data, 0.5, criterion="magnitude", epochs=1, batch_size=4)
    assert pruned.sparsity == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("criterion", ["gradient", "snip", "activation", "movement"])
def test_scores_that_are_all_zero_choose_nothing(data, criterion):
    with pytest.raises(ValueError, match="every weight the score 0"):
        secateur.prune(network(), (*data, np.zeros(240)), ratio=0.5, criterion=criterion)


def test_losses_that_layers_add_are_told(data):
    i = keras.Input((10,))
    y = L.Dense(4, kernel_regularizer="l2", name="regular")(i)
    model = keras.Model(i, L.Dense(3)(L.ActivityRegularization(0.1, name="active")(y)))
    model.compile("adam", LOSS)
    with_loss = secateur.prune(model, data, ratio=0.5, criterion="gradient")
    assert any("layers regular, active add losses" in notice for notice in with_loss.notices)
    assert not secateur.prune(model, data, ratio=0.5, criterion="wanda").notices
