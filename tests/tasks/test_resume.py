"""Every kind of training: killed, stopped at a deadline and run again, it ends at the same bits.

The stages run as in a flow, on a small network with dropout and BatchNorm.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import NamedTuple

import keras
import pytest

from secateur.export.checking import ExportMismatchError
from secateur.export.config import ExportConfig
from secateur.importance.config import ImportanceConfig
from secateur.models.config import ModelConfig
from secateur.sparsity.config import TargetConfig
from secateur.store import Reference, open_store
from secateur.tasks.deadline import deadline
from secateur.tasks.export import export
from secateur.tasks.fine_tune import fine_tune
from secateur.tasks.fine_tune_dynamic import fine_tune_dynamic
from secateur.tasks.fine_tune_gradual import fine_tune_gradual
from secateur.tasks.fine_tune_head import fine_tune_head
from secateur.tasks.fine_tune_rung import fine_tune_rung
from secateur.tasks.importance import importance
from secateur.tasks.prune import prune
from secateur.tasks.stage import read
from secateur.tasks.train import train
from secateur.tasks.transfer import transfer
from secateur.training.checkpoint import Checkpoint
from secateur.training.config import TrainConfig
from secateur.training.fine_tune_config import FineTuneConfig
from secateur.training.fit_config import FitConfig
from tests.tasks.conftest import store_small_data

EPOCHS = 4
MAGNITUDE = ImportanceConfig(criterion="magnitude")
GRADUAL = TargetConfig(ratio=0.5, schedule="gradual", frequency=2)


class Ground(NamedTuple):
    """What all cases start from: a store with what comes before, and references into it."""

    store: object
    model: str
    data: Reference
    dense: Reference
    pruned: Reference
    adapted: Reference


def _network():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Dropout(0.3, name="dropout"),
            layers.Dense(3, name="last"),
        ]
    )


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ground")
    _network().save(folder / "net.keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECATEUR_STORE", str(folder / "store"))
        data, model = store_small_data(), ModelConfig(path=str(folder / "net.keras"))
        settings = TrainConfig(epochs=EPOCHS, batch_size=8, keep_epoch=1)
        dense = train.task.fn(data=data, model=model, train=settings, seed=1)
        how = {"data": data, "model": dense, "importance": MAGNITUDE, "seed": 1}
        scores = importance.task.fn(**how)
        pruned = prune.task.fn(model=dense, target=TargetConfig(ratio=0.5), scores=scores)
        adapted = transfer.task.fn(source=pruned, data=data, seed=1)
    return Ground(folder / "store", str(folder / "net.keras"), data, dense, pruned, adapted)


def _tuning(**fields):
    return FineTuneConfig(epochs=EPOCHS, batch_size=8, learning_rate=0.02, **fields)


def _plain(g):
    given = TrainConfig(epochs=EPOCHS, batch_size=8, rate_schedule="cosine", keep="best")
    return train, {"model": ModelConfig(path=g.model), "train": given}


def _penalized(g):
    given = {"penalty": "l1", "strength": 0.01}
    return fine_tune, {"pruned": g.pruned, "fine_tune": _tuning(regularizer=given)}


def _mixed(g):
    given = {"precision": "mixed_float16"}  # with a scale of the loss that moves
    return fine_tune, {"pruned": g.pruned, "fine_tune": _tuning(compute=given)}


def _rewinding(g):
    given = {"rewound": FitConfig(epochs=EPOCHS, batch_size=8), "early": g.dense}
    return fine_tune, {"pruned": g.pruned, "fine_tune": _tuning(), **given}


def _distillation(g):
    given = _tuning(distill={"weight": 0.5, "features": 0.1})
    return fine_tune, {"pruned": g.pruned, "teacher": g.dense, "fine_tune": given}


def _rigl(g):
    given = _tuning(dynamic={"method": "rigl", "frequency": 2, "end": 1})
    return fine_tune_dynamic, {"pruned": g.pruned, "fine_tune": given}


def _gradual(g):
    given = {"target": GRADUAL, "importance": MAGNITUDE}
    return fine_tune_gradual, {"model": g.dense, "fine_tune": _tuning(), **given}


def _movement(g):
    given = {"target": GRADUAL, "importance": ImportanceConfig(criterion="movement")}
    return fine_tune_gradual, {"model": g.dense, "fine_tune": _tuning(), **given}


def _head(g):
    given = {"adapted": g.adapted, "head": read(g.adapted).metadata["head"]}
    return fine_tune_head, {"fine_tune": _tuning(), **given}


def _body(g):
    return fine_tune, {"pruned": g.adapted, "fine_tune": _tuning()}


def _rung(g):
    return fine_tune_rung, {"pruned": g.pruned, "fine_tune": _tuning(), "until": 3}


def _aware(g):
    given = ExportConfig(formats=("litert",), quantize="dynamic_int8", aware_epochs=EPOCHS)
    return export, {"model": g.pruned, "export": given}


class Killed(BaseException):
    """As a kill, nothing catches it."""


def _content(result: Reference) -> tuple[str, list[bytes]]:
    """What a later stage would see, and the bytes of what has no digest of its own."""
    files = sorted(read(result).directory.glob("files/*.tflite"))
    return result.digest, [path.read_bytes() for path in files]


def _slow(*cases):
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize(
    "case",
    [
        *(_rewinding, _rigl, _gradual),
        *_slow(_plain, _penalized, _mixed, _distillation, _movement, _head, _body, _rung, _aware),
    ],
)
def test_it_goes_on_to_the_same_bits(case, ground, tmp_path, monkeypatch):
    def place(name):
        shutil.copytree(ground.store, tmp_path / name)
        monkeypatch.setenv("SECATEUR_STORE", str(tmp_path / name))

    def partial():
        return sorted((open_store().root / "partial").glob("*/*"))

    def run():
        attempts.append(0)
        return stage.task.fn(data=ground.data, seed=3, **arguments)

    attempts: list[int] = []
    if case is _aware:  # with so few examples quantization loses nothing that could be mended

        def lossy(*_) -> float:
            attempts[-1] += 1
            if attempts[-1] == 1:
                raise ExportMismatchError("lossy")
            return 0.0  # what is lost then

        monkeypatch.setattr("secateur.export.exporting.check_quantized", lossy)
    place("whole")
    stage, arguments = case(ground)
    whole = run()
    assert partial() == []

    place("killed")
    save = Checkpoint.save

    def die(self, model, epochs, *rest):
        if epochs == 2:
            raise Killed
        save(self, model, epochs, *rest)

    monkeypatch.setattr(Checkpoint, "save", die)
    with pytest.raises(Killed):
        run()
    monkeypatch.setattr(Checkpoint, "save", save)
    (file,) = partial()
    assert Checkpoint(file.parent).epochs() == 1
    if case not in (_rung, _aware):
        with deadline(timedelta(microseconds=1)):
            stopped = run()
        (said,) = [n for n in read(stopped).metadata["notices"] if "deadline" in n]
        assert f"after 2 of {EPOCHS} epochs" in said
        assert stopped.key != whole.key
        assert Checkpoint(file.parent).epochs() == 2
        assert len(read(stopped).metadata["history"]["loss"]) == 2
    resumed = run()
    assert (resumed.key, resumed.record.cached) == (whole.key, False)
    assert _content(resumed) == _content(whole)
    assert read(resumed).metadata == read(whole).metadata
    assert partial() == []
