"""Trains on one device and on two, and tells what differs.

Runs in a process of its own: how many devices there are is settled when TensorFlow starts.
"""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from pathlib import Path

import keras
import numpy as np

from secateur.models.weights import weight_paths
from secateur.sparsity.config import TargetConfig
from secateur.sparsity.dynamic import DynamicSparsity, dense_gradients
from secateur.sparsity.dynamic_config import DynamicConfig
from secateur.sparsity.gradual import GradualPruning
from secateur.sparsity.hold import hold
from secateur.training import fit as fit_module
from secateur.training.compute_config import ComputeConfig
from secateur.training.computing import on_devices
from secateur.training.distill_config import DistillConfig
from secateur.training.distillation import taught_by
from secateur.training.fit_config import FitConfig
from secateur.training.objective import Objective
from secateur.training.regularizer_config import RegularizerConfig
from tests.secateur.training.nets import fitted, half, net, split

SGD = functools.partial(keras.optimizers.SGD, momentum=0.9)
EPOCHS, STEPS = 2, 14
PENALTY = RegularizerConfig(penalty="l1", step="gradient", strength=0.01)


def held(compute, **options):
    """Masks, a penalty's gradient, and a teacher with features."""
    with on_devices(compute, "train"):
        model, teacher = net(dropout=0), net(seed=1)
    masks = half(model)
    taught = taught_by(teacher, DistillConfig(weight=0.5, features=1.0), Objective())
    with hold(model, masks):
        history = fitted(
            model, EPOCHS, around=taught, regularizer=PENALTY, compute=compute, **options
        )
    return model, masks, history


def gradual(compute, **options):
    """Movement, gathered on each device; on several it stops after an epoch, and goes on."""
    with tempfile.TemporaryDirectory() as folder:
        for epochs in (EPOCHS,) if compute.devices == 1 else (1, EPOCHS):
            with on_devices(compute, "train"):
                model = net(dropout=0)
            with GradualPruning(model, TargetConfig(ratio=0.5, schedule="gradual"), STEPS) as way:
                history = fitted(
                    model, epochs, Path(folder), companions=[way], compute=compute, **options
                )
                masks = way.finish() if epochs == EPOCHS else way.masks
    return model, masks, history


def dynamic(compute, **options):
    """RigL."""
    with on_devices(compute, "train"):
        model = net(dropout=0)
    masks, loss = half(model), Objective().loss(model)

    def gradients(_):
        return dense_gradients(model, masks, loss, *split().arrays())

    config = DynamicConfig(method="rigl", frequency=3)
    with DynamicSparsity(model, masks, config, STEPS, gradients) as moving:
        history = fitted(model, EPOCHS, companions=[moving], compute=compute, **options)
        return model, moving.masks, history


def compared(train):
    """What two devices give beside one."""
    one, masks, history = train(ComputeConfig(), optimizer=SGD)
    two, same, other = train(ComputeConfig(devices=2), optimizer=SGD)
    pairs = zip(one.get_weights(), two.get_weights(), strict=True)
    return {
        "apart": max(float(np.abs(a - b).max()) for a, b in pairs),
        "loss apart": float(np.abs(np.subtract(history["loss"], other["loss"])).max()),
        "val_loss apart": float(np.abs(np.subtract(history["val_loss"], other["val_loss"])).max()),
        "same masks": masks.digest() == same.digest(),
        **copies(two, same),
    }


def copies(model, masks):
    """Whether the devices hold the same, and zeros where the masks say so."""
    found = {p: [c.numpy() for c in v.value.values] for p, v in weight_paths(model)}
    return {
        "devices": min(len(arrays) for arrays in found.values()),
        "same copies": all((a == arrays[0]).all() for arrays in found.values() for a in arrays),
        "zeros": all((a[~masks[path]] == 0).all() for path in masks for a in found[path]),
    }


def uneven():
    """In 16 bits, with dropout, and with batches that two devices cannot share evenly."""
    compute = ComputeConfig(devices=2, precision="mixed_float16")
    with on_devices(compute, "train"):
        model = net()
    masks = half(model)
    config = FitConfig(epochs=2, batch_size=7, compute=compute)
    with hold(model, masks):
        history = fit_module.fit(model, split(8), split(3, 1), config, seed=5)
    return {"finite": bool(np.isfinite(history["val_loss"]).all()), **copies(model, masks)}


def refusal():
    try:
        with contextlib.suppress(AssertionError), on_devices(ComputeConfig(devices=3), "train"):
            raise AssertionError
    except ValueError as error:
        return str(error)


def main():
    """Prints what was found, as JSON."""
    fit_module._WORK_PER_EXECUTION = 0  # one device shall update masks as often as two do
    print(
        json.dumps(
            {
                "held": compared(held),
                "gradual": compared(gradual),
                "dynamic": compared(dynamic),
                "uneven": uneven(),
                "refusal": refusal(),
            }
        )
    )
