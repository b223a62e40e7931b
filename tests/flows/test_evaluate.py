"""`secateur evaluate`: files of other tools, and what does not fit."""

from __future__ import annotations

import pytest

from secateur.flows.evaluate_parameters import EvaluateParameters


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """LiteRT and ONNX files that TensorFlow's and Keras's own exporters wrote."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(10)]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    folder = tmp_path_factory.mktemp("foreign")
    model.export(folder / "model.tflite", format="litert", verbose=False)
    model.export(folder / "model.onnx", format="onnx", verbose=False)
    model.save(folder / "model.keras")
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("shared_store")
def test_files_of_other_tools_are_measured_alike(foreign, prefect_server):
    from secateur.flows.evaluate import evaluate

    found = [evaluate(model=foreign / f"model.{kind}") for kind in ("keras", "tflite", "onnx")]
    assert [each.runtime for each in found] == ["keras", "litert", "onnxruntime"]
    (accuracy,) = {round(each.metrics["accuracy"], 6) for each in found}
    assert 0 < accuracy < 0.5
    assert {each.data_card.name for each in found} == {"mnist_5k"}
    for each, name in zip(found, ("model.keras", "model.tflite", "model.onnx"), strict=True):
        assert each.bytes.raw == (foreign / name).stat().st_size
        assert all(t.median > 0 for t in each.latency_ms.values())


@pytest.mark.slow
@pytest.mark.usefixtures("shared_store")
def test_a_file_that_does_not_fit_the_data_is_refused_in_one_sentence(tmp_path, prefect_server):
    import keras

    from secateur.flows.evaluate import evaluate

    for shape, classes, said in (((5,), 10, "does not take the inputs"), ((28, 28, 1), 7, "gives")):
        layers = [keras.layers.Flatten(), keras.layers.Dense(classes)]
        keras.Sequential([keras.Input(shape), *layers]).save(tmp_path / "wrong.keras")
        with pytest.raises(ValueError, match=said) as caught:
            evaluate(model=tmp_path / "wrong.keras")
        assert "\n" not in str(caught.value)
    (tmp_path / "text.tflite").write_text("no model")
    with pytest.raises(ValueError, match="LiteRT cannot load"):
        evaluate(model=tmp_path / "text.tflite")


@pytest.mark.parametrize(
    ("name", "said"),
    [("model.h5", "allowed are files that end in"), ("none.onnx", "which is no file")],
)
def test_a_file_of_another_kind_and_a_missing_one_are_refused(name, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        EvaluateParameters(model=tmp_path / name).check()
