"""Rules of layers that run over time: RNN, LSTM, GRU, ConvLSTM and the wrappers around them."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

from secateur.structure.labels import Axes, Labels
from secateur.structure.rules import activation, rule
from secateur.structure.site import Site

_GATES: dict[type, int] = {
    layers.SimpleRNNCell: 1,
    layers.GRUCell: 3,
    layers.LSTMCell: 4,
}


@rule(layers.RNN)
def rnn(site: Site) -> list[Axes]:
    layer: Any = site.op
    if layer.stateful:
        site.unknown("it is stateful, and its state is kept between batches")
    site.only(site.x, site.rank - 1)
    stacked = isinstance(layer.cell, layers.StackedRNNCells)
    cells = list(layer.cell.cells) if stacked else [layer.cell]
    x, units = site.x[-1], []
    for cell in cells:
        x = _cell(site, cell, x)
        units.append((cell, x))
    if not stacked and type(layer) is not layers.RNN:
        site.width("units", x)
    else:
        for cell, made in units:
            _width_of(site, cell, "units", made)
    states = [made for cell, made in units for _ in np.atleast_1d(cell.state_size)]
    _initial(site, states)
    return _outputs(site, x, states)


def _cell(site: Site, cell: Any, x: Labels | None) -> Labels | None:
    gates = next((n for kind, n in _GATES.items() if type(cell) is kind), None)
    if gates is None:
        site.unknown(f"the cell {type(cell).__name__} is not known")
    assert gates is not None
    return _gated(site, cell, x, gates, 0, cell.units)


def _gated(site: Site, cell: Any, x: Any, gates: int, axis: int, size: int) -> Labels | None:
    """One new channel a unit, in each gate of each kernel; the recurrent kernel reads them."""
    if id(cell) not in site.trace.cells:
        site.trace.cells[id(cell)] = site.trace.new(size, "channel", site.path)
    units = site.trace.cells[id(cell)]
    site.varies(units)  # from step to step
    tiled = np.tile(units, gates)
    site.reads(cell.kernel, axis, x)
    site.made_by(cell.kernel, axis + 1, tiled)
    site.made_by(cell.recurrent_kernel, axis + 1, tiled)
    site.reads(cell.recurrent_kernel, axis, units)
    if cell.bias is not None:
        site.made_by(cell.bias, len(cell.bias.shape) - 1, tiled)
    activation(site, cell.activation, units)
    activation(site, getattr(cell, "recurrent_activation", None), units)
    return units


def _width_of(site: Site, cell: Any, key: str, labels: Labels | None) -> None:
    inner = Site(site.trace, cell, site.path, [], [], [])
    inner.width(key, labels)


def _initial(site: Site, states: list[Labels | None]) -> None:
    """States given by other layers have the units' width."""
    given = _states(site)
    if given and len(given) != len(states):
        site.unknown("it has inputs that are neither the sequence nor the states")
    for axes, labels in zip(given, states, strict=False):
        channel = 1 if site.op.__dict__.get("data_format") == "channels_first" else -1
        site.tie(axes[channel], labels)


def _states(site: Site) -> list[Axes]:
    """What comes in beside the sequence, without a mask, which has a number for each step."""
    slots = site.call.slots if site.call is not None else {}
    mask = slots.get("mask", slots.get(2))
    return [axes for i, axes in enumerate(site.inputs) if i not in (0, mask)]


def _outputs(site: Site, x: Labels | None, states: list[Labels | None]) -> list[Axes]:
    rank = len(site.out_shapes[0])
    outputs: list[Axes] = [(*(None,) * (rank - 1), x)]
    if len(site.out_shapes) > 1:
        outputs += [(None, made) for made in states]
    return outputs


@rule(layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)
def conv_lstm(site: Site) -> list[Axes]:
    layer: Any = site.op
    if layer.stateful or layer.data_format == "channels_first" or _states(site):
        site.unknown("it is stateful, starts from a state, or has its channels first")
    site.only(site.x, site.rank - 1)
    cell = layer.cell
    units = _gated(site, cell, site.x[-1], 4, len(cell.kernel.shape) - 2, cell.filters)
    site.width("filters", units)
    return [(*(None,) * (len(shape) - 1), units) for shape in site.out_shapes]


@rule(layers.Bidirectional)
def bidirectional(site: Site) -> list[Axes]:
    layer: Any = site.op
    forward, backward = layer.forward_layer, layer.backward_layer
    if not isinstance(forward, layers.RNN) or isinstance(forward.cell, layers.StackedRNNCells):
        site.unknown("it does not wrap an RNN, LSTM or GRU")
    given = _states(site)
    half = len(given) // 2
    shape = list(site.out_shapes[0])
    shape[-1] = forward.cell.units
    states = [(shape[0], forward.cell.units)] * (len(np.atleast_1d(forward.cell.state_size)))
    shapes = [tuple(shape), *(states if layer.return_state else [])]
    both = []
    for inner, part in ((forward, given[:half]), (backward, given[half:])):
        inputs = [site.x, *part]
        sizes = [site.in_shapes[0], *((1, inner.cell.units),) * len(part)]
        both.append(site.visit(inner, inputs, sizes, shapes))
    (y, *left), (z, *right) = both
    if y[-1] is not None or z[-1] is not None:
        site.tie(y[-1], z[-1])  # Keras gives both directions one width
    if y[-1] is None or z[-1] is None:
        return [(None,) * len(shape) for shape in site.out_shapes]
    if layer.merge_mode == "concat":
        merged = [(*y[:-1], np.concatenate([y[-1], z[-1]]))]
    elif layer.merge_mode is None:
        merged = [y, z]
    else:
        merged = [y]
    return [*merged, *left, *right]


@rule(layers.TimeDistributed)
def time_distributed(site: Site) -> list[Axes]:
    """The inner layer sees one step at a time."""
    site.pin(site.x[1], f"'{site.path}' runs along this axis")
    steps = site.in_shapes[0][1]
    if steps is None:
        site.trace.uncounted = f"the number of steps of '{site.path}' is open"

    def without(sizes: Any) -> Any:
        return (sizes[0], *sizes[2:])

    outputs = site.visit(
        site.op.layer,
        [without(site.x)],
        [without(site.in_shapes[0])],
        [without(shape) for shape in site.out_shapes],
        times=steps or 0,
    )
    return [(axes[0], None, *axes[1:]) for axes in outputs]
