"""What is refused, with which words and exit code, and what a failed run leaves."""

from __future__ import annotations

import errno

import pytest

BAD = [
    (["--target.ratio", "1.5"], "target.ratio"),
    ([], "target is missing"),
    (["--target.ratio", "0.9", "--target.threshold", "1"], "2 ways"),
    (["--target.ratio", "0.9", "--dataset.name", "mnst"], "Did you mean"),
    (["--target.ratio", "0.9", "--importance.criterion", "gradiant"], "Did you mean"),
    (["--target.ratio", "0.9", "--target.pattern", "sparkle"], "pattern"),
    (["--target.ration", "0.9"], "Did you mean --target.ratio?"),
    (["more", "--target.ratio", "0.9"], "more is no parameter"),
    (["--target.ratio", "0.9", "--model.factory", "nets"], "write it as package.module:function"),
    (["--target.ratio", "0.9", "--model.path", "none.keras"], "which is no file"),
    (["--target.ratio", "0.9", "--dataset.data_dir", "/no/where"], "which is no folder"),
    (["--target.ratio", "0.9", "--output", "/proc/nothing"], "is the system's (/proc)"),
    (["--target.ratio", "0.9", "--model.factory", "os:getcwd"], "has not allowed"),
    (["--target.ratio", "0.9", "--objective.loss", "os:getcwd"], "has not allowed"),
    (["--target.ratio", "0.9", "--objective.loss", "os.getcwd"], "neither a name nor package"),
    (["--target.ratio", "0.9", "--fine_tune.rewind", "weights"], "give train.keep_epoch"),
    (
        ["--target.ratio", "0.9", "--fine_tune.rewind", "learning_rate", "--train.epochs", "9"],
        "only 9 epochs whose learning rates",
    ),
    (
        ["--target.ratio", "0.9", "--fine_tune.rewind", "weights", "--target.schedule", "gradual"],
        "no moment to rewind at",
    ),
    (
        [
            "--target.ratio",
            "0.9",
            "--fine_tune.rewind",
            "weights",
            "--train.keep_epoch",
            "1",
            "--correct.method",
            "least_squares",
        ],
        "what correct.method 'least_squares' mends would be overwritten",
    ),
    (["--target.ratio", "0.9", "--train.keep_epoch", "11"], "keep an earlier one"),
    (["--target.ratio", "0.9", "--deadline", "soon"], "give one above 0 such as 90s, 30m, 2h or"),
    (["--target.ratio", "0.9", "--correct.method", "lstsq"], "correct.method"),
    (["--target.ratio", "0.9", "--train.regularizer.penalty", "hard"], "needs a ratio"),
    (["--target.pattern", "2:4", "--fine_tune.dynamic.method", "rigl"], "would break pattern 2:4"),
    (
        ["--target.ratio", "0.9", "--train.epochs", "0", "--train.regularizer.penalty", "l1"],
        "train.epochs is 0",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(a) or "none" for a, _ in BAD])
def test_bad_parameters_are_refused_without_tensorflow(arguments, message, capsys):
    from secateur.flows.cli import main

    assert main(["prune", *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_refused_within_seconds_as_a_process(command):
    """Before TensorFlow, a server or a store: the import of either takes longer."""
    process = command("--target.ratio", "1.5", SECATEUR_STORE="/proc/no/store")
    assert process.wait(timeout=60) == 2
    assert "target.ratio" in process.stdout.read()


def _objects():
    from secateur.store import open_store

    folder = open_store().root / "objects"
    return sorted(entry.stage for entry in open_store().list()) if folder.exists() else []


@pytest.fixture
def wrong_model(tmp_path):
    """Writes a Keras model of a given input shape, number of outputs and size of weights."""
    import keras

    def write(shape, outputs, weight=0.1):
        model = keras.Sequential([keras.Input(shape), keras.layers.Flatten()])
        model.add(
            keras.layers.Dense(outputs, kernel_initializer=keras.initializers.Constant(weight))
        )
        model.save(tmp_path / "wrong.keras")
        return {"path": str(tmp_path / "wrong.keras")}

    return write


@pytest.mark.parametrize(
    ("shape", "outputs", "message"),
    [((32, 32, 3), 10, "32, 32, 3"), ((28, 28, 1), 7, "7")],
    ids=["input", "output"],
)
def test_a_model_that_does_not_fit_is_refused_before_training(
    shape, outputs, message, wrong_model, quick
):
    with pytest.raises(ValueError, match=message):
        quick(model=wrong_model(shape, outputs))
    assert _objects() == ["load_data"]


def test_a_damaged_model_is_refused_before_training(tmp_path, wrong_model, quick):
    group = wrong_model((28, 28, 1), 10)
    content = (tmp_path / "wrong.keras").read_bytes()
    middle = content.index(b"model.weights.h5") + 2000
    (tmp_path / "wrong.keras").write_bytes(
        content[:middle]
        + bytes(b ^ 255 for b in content[middle : middle + 50])
        + content[middle + 50 :]
    )
    with pytest.raises(ValueError, match=r"wrong\.keras"):
        quick(model=group)
    assert _objects() in ([], ["load_data"])


def test_a_full_disk_fails_the_run_and_leaves_nothing(tmp_path, quick, monkeypatch):
    import secateur.models.files
    from secateur.store import StoreError, open_store

    def full(model, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(secateur.models.files, "save_model", full)
    with pytest.raises(StoreError, match=r"(?i)space|full"):
        quick()
    assert _objects() == ["load_data"]
    assert list((open_store().root / "tmp").iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_a_diverging_training_fails_with_the_epoch_and_a_way_out(wrong_model, quick):
    from secateur.training.fit import DivergedError

    with pytest.raises(DivergedError, match=r"epoch 1.*train\.learning_rate"):
        quick(model=wrong_model((28, 28, 1), 10, weight=1e38))
    assert _objects() == ["load_data"]


def test_a_failed_run_exits_with_1_and_one_sentence(tmp_path, monkeypatch, capsys, prefect_server):
    from secateur.flows.cli import main

    (tmp_path / "file").touch()
    monkeypatch.setenv("SECATEUR_STORE", str(tmp_path / "file" / "store"))
    code = main(["prune", "--target.ratio", "0.9", "--output", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert code == 1
    assert "the run failed" in error
    assert str(tmp_path / "file") in error
    assert "Traceback" not in error


def test_data_that_cannot_be_used_end_a_command_with_2(tmp_path, capsys, prefect_server):
    from secateur.flows.cli import main

    path = tmp_path / "data.csv"
    path.write_text("a,label\n" + "1,x\n2,\n3,y\n" * 5)
    arguments = ["--dataset.path", str(path), "--model.name", "tabular_mlp"]
    arguments += ["--target.ratio", "0.5", "--output", str(tmp_path / "out")]
    assert main(["prune", *arguments]) == 2
    error = capsys.readouterr().err
    assert "The column 'label' of 'data.csv' lacks a value in 5 of 15 examples" in error
    assert "Traceback" not in error
    assert "the run failed" not in error
    assert _objects() == []
