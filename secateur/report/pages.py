"""What the HTML pages share: templates, style, script, and plotly.js, all inside one file."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup

from secateur.report.figures import Choice


def render(template: str, figures: Mapping[str, list[Choice]], **context: Any) -> str:
    """A page that a browser opens without a network.

    Args:
        template: Its file among the assets; it extends `base.html`.
        figures: Charts by name, as `secateur.report.figures` makes them; one without a choice is
            left out.
        context: What else the template shows, `captions` of the figures among it.
    """
    drawn = {name: choices for name, choices in figures.items() if choices}
    return (
        _environment()
        .get_template(template)
        .render(
            **context,
            figures=drawn,
            figures_json=_script_json(drawn),
            style=_asset("page.css"),
            script=_asset("page.js"),
            # plotly.js-basic-dist-min of npm, unchanged (MIT licence): scatter and bar charts, a
            # quarter of what the Python package plotly ships.
            plotly=_asset("plotly-basic.min.js").replace("</script", "<\\/script"),
        )
    )


def part(template: str, **context: Any) -> Markup:
    """A part of a page, such as a section, from a template of its own."""
    return Markup(_environment().get_template(template).render(**context))


@functools.cache
def _environment() -> Environment:
    loader = FunctionLoader(_asset)
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)


@functools.cache
def _asset(name: str) -> str:
    file = resources.files("secateur.report") / "assets" / name
    return file.read_text(encoding="utf-8")


def _script_json(value: Any) -> str:
    """JSON that can stand inside a `script` element, whatever texts are in it."""
    return json.dumps(_finite(value), separators=(",", ":")).replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    """The same with null in the place of NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
