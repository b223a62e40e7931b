"""Quantization-aware fine-tuning: the model trains with its kernels as 8-bit integers.

In the forward pass each kernel is rounded as LiteRT rounds it, a scale for each output channel and
no offset; the gradient passes the rounding as if it were not there (the straight-through estimator,
Jacob et al., CVPR 2018). What is zero stays zero.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from secateur.datasets.dataset import Split
from secateur.graph.attributes import own_steps
from secateur.graph.copying import copied
from secateur.models.weights import prunable_weights
from secateur.proof.copies import prove_copy
from secateur.proof.masks import prove_masks
from secateur.proof.record import Check
from secateur.sparsity.hold import hold
from secateur.sparsity.masks import Masks
from secateur.training.batches import shuffled
from secateur.training.checkpoint import Checkpoint

_LARGEST = 127.0  # of an 8-bit integer; -128 is not used, so that zero is in the middle


def fine_tune_quantized(
    model: keras.Model,
    train: Split,
    loss: keras.losses.Loss,
    *,
    epochs: int,
    batch_size: int = 32,
    learning_rate: float = 1e-4,
    seed: int = 0,
    checkpoints: Path | None = None,
    checks: list[Check] | None = None,
) -> keras.Model:
    """A copy of a model, trained on with quantized kernels; its weights are floats near integers.

    A training that was killed goes on from its last finished epoch, to the same bits.

    Args:
        model: A trained model; it stays as it is.
        train: Training examples.
        loss: For what the model gives.
        epochs: Passes over `train`.
        batch_size: Examples a step.
        learning_rate: Adam's.
        seed: Orders the examples, and seeds dropout and the like.
        checkpoints: A folder that survives a kill; None to keep no checkpoints.
        checks: What was proved of the copy and of its zeros is added to it.

    Raises:
        ValueError: The model's class trains in a way of its own.
        ProofError: The copy is not the model, or what was zero is not.
    """
    if own := own_steps(type(model)):
        raise ValueError(
            f"The model {model.name!r} has a {own[0]} of its own, which quantization-aware "
            "fine-tuning does not use; leave export.aware_epochs out."
        )
    copy = copied(model)
    proofs = [prove_copy(model, copy, train.arrays(np.arange(min(len(train), 4))))]
    _seed(copy, seed)
    kernels = {id(w.variable): _reduced(w.layer, w.variable) for w in prunable_weights(copy)}
    zeros = {
        w.path: keras.ops.convert_to_numpy(w.variable.value) != 0 for w in prunable_weights(copy)
    }
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(copy.trainable_variables)
    copy.optimizer = optimizer
    variables, state = copy.trainable_variables, copy.non_trainable_variables

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            rounded = [
                fake_quantized(v.value, kernels[id(v)]) if id(v) in kernels else v.value
                for v in variables
            ]
            outputs, updates = copy.stateless_call(rounded, state, x, training=True)
            value = loss(y, outputs)
        gradients = tape.gradient(value, [v.value for v in variables])
        optimizer.apply(gradients, variables)
        for variable, update in zip(state, updates, strict=True):
            variable.assign(update)

    epoch = tf.Variable(0, dtype=tf.int32)
    batches = shuffled(train, batch_size, seed, epoch)
    checkpoint = Checkpoint(checkpoints) if checkpoints else None
    done = checkpoint.restore(copy)[0] if checkpoint else 0
    with hold(copy, Masks(zeros)):
        for number in range(done, epochs):
            epoch.assign(number)
            for x, y in batches:
                step(x, y)
            if checkpoint:
                checkpoint.save(copy, number + 1, {})
    proofs.append(prove_masks(copy, zeros, "after quantization-aware fine-tuning"))
    if checks is not None:
        checks += proofs
    return copy


def fake_quantized(kernel: tf.Tensor, reduced: tuple[int, ...]) -> tf.Tensor:
    """A kernel rounded to 8-bit integers times a scale; its gradient is that of the kernel.

    Args:
        kernel: Any shape.
        reduced: Axes that share a scale.
    """
    peak = tf.reduce_max(tf.abs(kernel), reduced, keepdims=True)
    scale = tf.where(peak > 0, peak, tf.ones_like(peak)) / _LARGEST
    return kernel + tf.stop_gradient(tf.round(kernel / scale) * scale - kernel)


def _seed(model: keras.Model, seed: int) -> None:
    """Sets what dropout and the like draw: a model read from a file draws it by chance."""
    keras.utils.set_random_seed(seed)
    states = {id(v): v for v in model.variables if v.name == "seed_generator_state"}
    draws = np.random.default_rng(seed)
    for state in states.values():
        state.assign(draws.integers(2**31, size=tuple(state.shape)))


def _reduced(layer: keras.Layer, variable: keras.Variable) -> tuple[int, ...]:
    """All axes but those of the output channels."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D)
    return tuple(np.arange(len(variable.shape) - (2 if depthwise else 1)).tolist())
