"""The one way to copy a model: what it computes, how it is compiled, and its class."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from secateur.evaluation.flops import graph_of
from secateur.graph.attributes import OWN_STEPS, own_steps
from secateur.graph.building import Builder, constructor, own_code
from secateur.graph.compiling import copy_compilation
from secateur.graph.pairing import Pairs, UnlikeError
from secateur.graph.state import move_state


class CopyError(ValueError):
    """A model cannot be copied whole; one sentence."""


def copied(model: keras.Model) -> keras.Model:
    """A copy of a model that computes what it computes, and trains as it trains.

    Weights go to the layer that holds them in the original, and all other state with them:
    adapted statistics, vocabularies and tables, seeds, buffers. The copy is compiled with the same
    settings and a fresh optimizer, has the same trainable flags and names, and is of the same
    class.

    Args:
        model: A built model of any kind; it stays as it is.

    Returns:
        The copy, which shares no variable with the original.

    Raises:
        CopyError: One sentence: the class cannot be made again, or something would be lost.
    """
    try:
        new, pairs = _made(model)
        move_state(pairs)
        copy_compilation(model, new, pairs)
    except UnlikeError as error:
        raise _refusal(model, str(error)) from error
    return new


def fresh(model: keras.Model) -> keras.Model:
    """The same architecture with weights drawn anew, by Keras's global seed, and not compiled.

    Adapted preprocessing is no weight that training finds: it is that of the original, and so are
    names and trainable flags.

    Raises:
        CopyError: As in `copied`.
    """
    try:
        new, pairs = _made(model)
    except UnlikeError as error:
        raise _refusal(model, str(error)) from error
    adapted = {
        id(v)
        for layer, _ in pairs.layers.values()
        if hasattr(layer, "adapt")
        for v in getattr(layer, "variables", ())
    }
    partners = {id(old): new for old, new in pairs.variables.values()}
    move_state(
        pairs,
        lambda v: keras.ops.convert_to_tensor(v if id(v) in adapted else partners[id(v)]),
    )
    return new


def _refusal(model: Any, reason: str) -> CopyError:
    return CopyError(
        f"The model {model.name!r} cannot be copied, because {reason}; pass in_place=True to "
        "secateur.prune to work on the model itself."
    )


def _made(model: Any) -> tuple[Any, Pairs]:
    """A model of the same make, not yet of the same state, and what is which.

    Raises:
        UnlikeError: One clause.
    """
    own = [name for name in (*OWN_STEPS, "call", "predict_step") if name in vars(model)]
    if own:
        raise UnlikeError(f"it has a {own[0]} that was set on the object and not on its class")
    copier = Copier()
    new = copier.operation(model)
    pairs = Pairs()
    pairs.add_made(copier.made.values(), copier.graphs)
    pairs.check(model, new)
    for old, partner in pairs.variables.values():
        if tuple(old.shape) != tuple(partner.shape) or old.dtype != partner.dtype:
            raise UnlikeError(f"{old.path} comes out with another shape or type")
    return new, pairs


class Copier(Builder):
    """Rebuilds a model as it is, nested models in their own classes."""

    def __init__(self) -> None:
        super().__init__({}, {}, {})

    def operation(self, op: Any) -> Any:
        """The new operation or model for an old one; shared ones stay shared."""
        if id(op) not in self.made and isinstance(op, keras.Model):
            self.made[id(op)] = (op, self.copy(op))
        return super().operation(op)

    def copy(self, model: Any) -> Any:
        """A new model for one of any class."""
        graph = graph_of(model) if model.built else None
        if not model.built:
            raise UnlikeError("it has no weights yet: build it, or call it on some data")
        try:
            if graph is not None and constructor(model) is _plain(model):
                return self._with_the_rest(model, self.model(model))
            return _from_config(model)
        except UnlikeError:
            raise
        except Exception as error:  # whatever Keras and a user's own class raise
            own = own_steps(type(model))
            said = f" with a {own[0]} of its own" if own else ""
            raise UnlikeError(
                f"its class {type(model).__name__}{said}, or a layer in it, cannot be built again "
                f"from its get_config() ({_first_line(error)})"
            ) from error

    def _with_the_rest(self, model: Any, new: Any) -> Any:
        """What a class of its own holds beside the graph, such as a head for its `train_step`."""
        for name, value in vars(model).items():
            if name in vars(new) or name.startswith("__"):
                continue
            if isinstance(value, keras.Layer):
                known = id(value) in self.made
                part = self.operation(value)
                if not known and value.built and not part.built:
                    part.build_from_config(value.get_build_config())
                setattr(new, name, part)
            elif isinstance(value, keras.metrics.Metric):
                setattr(new, name, type(value).from_config(value.get_config()))
            elif not name.startswith("_"):
                setattr(new, name, value)
        return new


def _plain(model: Any) -> Any:
    """The class that a copy by its graph has to have: the model's own, or a Keras one."""
    from keras.src.models.functional import Functional

    return keras.Model if type(model) is Functional else type(model)


def _from_config(model: Any) -> Any:
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    with own_code(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of weights that a layer gets when it is built
        new = keras.saving.deserialize_keras_object(
            config, custom_objects={type(model).__name__: type(model)}
        )
    if type(new) is not type(model):
        raise UnlikeError(f"it comes out as a {type(new).__name__}")
    return new


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".:") if lines else type(error).__name__
