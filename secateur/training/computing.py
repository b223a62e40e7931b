"""How a training computes: on several devices, in mixed precision."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from secateur.models.weights import flat_layers
from secateur.training.compute_config import ComputeConfig


def on_devices(config: ComputeConfig, group: str) -> contextlib.AbstractContextManager:
    """Where a model is built, or loaded, that is trained as `config` says.

    On several devices each has a copy of the weights and takes a share of each batch
    (`tf.distribute.MirroredStrategy`). What is drawn at random in the model, as by dropout, is the
    same on each; a batch that the devices cannot share evenly weighs the examples of a smaller
    share more.

    Args:
        config: How the training computes.
        group: What the user calls the group of the training, for messages.

    Raises:
        ValueError: One sentence: there are fewer devices.
    """
    names = _devices(config, group)
    return tf.distribute.MirroredStrategy(names).scope() if names else contextlib.nullcontext()


def check_devices(config: ComputeConfig, group: str) -> None:
    """Refuses more devices than there are; arguments and error are those of `on_devices`."""
    _devices(config, group)


def _devices(config: ComputeConfig, group: str) -> list[str]:
    """Names of the devices; none where the model needs no place of its own."""
    if config.devices == 1:
        return []
    gpus = tf.config.list_logical_devices("GPU")
    found = gpus or tf.config.list_logical_devices("CPU")
    if len(found) < config.devices:
        way = "give at most that" if gpus else f"set SECATEUR_CPU_DEVICES={config.devices} for more"
        raise ValueError(
            f"{group}.compute.devices is {config.devices}, but TensorFlow sees {len(found)} "
            f"{found[0].device_type}{'' if len(found) == 1 else 's'} here; {way}."
        )
    return [device.name for device in found[: config.devices]]


def loss_scaled(
    optimizer: keras.optimizers.Optimizer, config: ComputeConfig
) -> keras.optimizers.Optimizer:
    """The optimizer behind a loss scale for float16, in which small gradients would be 0."""
    if config.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


@contextlib.contextmanager
def computing(
    model: keras.Model,
    trained: keras.Model,
    batches: tf.data.Dataset,
    config: ComputeConfig,
    group: str,
) -> Iterator[None]:
    """Lets the layers of a built model compute as `config` says, while it trains.

    In mixed precision the weights stay as they are, and so do layers whose outputs are the model's,
    and layers that have a precision of their own. On several devices the statistics of
    BatchNormalization are those of the whole batch. At the end every layer is as before: a saved
    model is the same whatever trained it.

    Args:
        model: Whose layers they are.
        trained: The compiled model that `fit` of Keras is called on: `model`, or one around it.
        batches: What it is trained on.
        config: How it computes.
        group: What the user calls the group of the training, for messages.

    Raises:
        ValueError: One sentence: XLA cannot compile the step.
    """
    changed = []
    if config.precision != "float32":
        last = {id(layer) for layer in _last(model)}
        policy = keras.DTypePolicy(config.precision)
        for layer in flat_layers(model):
            if id(layer) not in last and layer.dtype_policy.name == "float32":
                changed.append((layer, "dtype_policy", layer.dtype_policy))
                layer.dtype_policy = policy
    if config.devices > 1:
        for layer in flat_layers(model):
            if isinstance(layer, keras.layers.BatchNormalization):
                changed.append((layer, "synchronized", layer.synchronized))
                layer.synchronized = True
        _build(trained, batches)
    try:
        yield
    except tf.errors.OpError as error:
        if not (config.xla and "XLA" in str(error.message)):
            raise
        reason = str(error.message).strip().splitlines()[0].rstrip(".:")
        raise ValueError(
            f"{group}.compute.xla is true, but XLA cannot compile this model's step ({reason}); "
            "leave it out."
        ) from error
    finally:
        for layer, name, before in changed:
            setattr(layer, name, before)
        trained.__dict__.pop(_BUILDING, None)
        if changed:  # traced as the layers were
            model.train_function = model.test_function = model.predict_function = None


_BUILDING = "_maybe_symbolic_build"


def _build(trained: keras.Model, batches: tf.data.Dataset) -> None:
    """Builds what Keras would build at each call of `fit` and `evaluate`, from a batch as a whole.

    Keras 3.15 takes the mean of the devices' shares of the first batch, which have to be of one
    size for it, and so would the batch have to be even.
    """
    with trained.distribute_strategy.scope():
        trained._symbolic_build(data_batch=next(iter(batches)))
    trained.__dict__[_BUILDING] = lambda **_: None


def _last(model: keras.Layer) -> Iterator[keras.Layer]:
    """The layers whose outputs are the model's, at all levels of a nested one."""
    graph = getattr(model, "_functional", None) or model  # of a Sequential
    outputs = getattr(graph, "_outputs", None)
    if outputs is None:  # a subclassed model has no graph
        operations = list(getattr(model, "layers", ()))[-1:]
    else:
        operations = [tensor._keras_history.operation for tensor in outputs]
    for operation in operations:
        yield operation
        if isinstance(operation, keras.Model):
            yield from _last(operation)
