"""What a model is trained and measured on."""

from __future__ import annotations

import keras


def classification_loss(model: keras.Model) -> keras.losses.Loss:
    """Cross-entropy of integer labels, on logits or probabilities as the model gives them.

    A model whose last operation is a softmax gives probabilities; any other gives logits.
    """
    return keras.losses.SparseCategoricalCrossentropy(from_logits=not _ends_in_softmax(model))


def _ends_in_softmax(model: keras.Model) -> bool:
    try:
        operation = model.outputs[0]._keras_history.operation
    except (AttributeError, IndexError, TypeError):  # a subclassed model has no graph
        operation = model.layers[-1] if model.layers else model
    if isinstance(operation, keras.Model) and operation is not model:
        return _ends_in_softmax(operation)
    if isinstance(operation, keras.layers.Softmax) or type(operation).__name__ == "Softmax":
        return True
    return getattr(operation, "activation", None) is keras.activations.softmax


def compile_for(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, steps_per_execution: int = 1
) -> None:
    """Compiles `model` with an optimizer, its loss and accuracy.

    XLA stays off: on a CPU its compilation takes longer than training a small model.
    """
    model.compile(
        optimizer=optimizer,
        loss=classification_loss(model),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
        jit_compile=False,
    )
