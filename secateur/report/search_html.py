"""`search.html`: a search as one file that a browser opens without a network."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence

from jinja2 import Environment

from secateur.datasets.card.schema import Card
from secateur.report.data import data_section
from secateur.report.naming import source
from secateur.report.search import SearchReport
from secateur.report.search_plots import step_svg
from secateur.report.search_tables import (
    search_summary,
    search_verdict,
    sensitivity_table,
    trial_table,
    winner_table,
)
from secateur.report.sensitivity_plots import write_png
from secateur.searching.goal import UNITS

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --ink: #1f2933; --paper: #fff; --line: #d9dee4; --soft: #f5f7fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --paper: #14181d; --line: #39424d; --soft: #1f262e; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { vertical-align: bottom; }
th:first-child, td:first-child, th.why, td.why { text-align: left; }
.why { min-width: 18rem; }
.trials td:nth-child(2) { white-space: nowrap; text-align: left; }
tr.chosen { font-weight: 600; background: var(--soft); }
.scroll { overflow-x: auto; }
pre { background: var(--soft); padding: 1rem; overflow-x: auto; }
figure { margin: 1rem 0; } figure img { max-width: 100%; background: #fff; border-radius: 4px; }
.verdict { border-left: 4px solid #0b6e4f; padding: .5rem 1rem; background: var(--soft); }
.note { opacity: .75; }
.samples { display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; list-style: none; }
.samples li { max-width: 26rem; padding: .6rem; background: var(--soft); overflow-wrap: anywhere; }
.samples img { width: 7rem; image-rendering: pixelated; }
.verdict.no { border-color: #c1440e; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>{{ summary }}</p>
<p class="verdict{{ '' if report.kept_on_test else ' no' }}">{{ verdict }}</p>
<div class="scroll">{{ table(winner) }}</div>
{% if report.winner.layers %}
<h2>What each layer gives up</h2>
<div class="scroll">{{ table(layers) }}</div>
{% endif %}
{% for step in steps %}
<h2>{{ step.heading }}</h2>
<p>{{ step.text }}</p>
<figure><img alt="Trials: validation accuracy against cost" src="{{ step.picture }}"></figure>
<div class="scroll"><table class="trials">
<tr>{% for cell in step.header %}
<th{% if loop.last %} class="why"{% endif %}>{{ cell }}</th>{% endfor %}</tr>
{% for row in step.rows %}
<tr{% if 'chosen' in row %} class="chosen"{% endif %}>
{% for cell in row %}<td{% if loop.last %} class="why"{% endif %}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
<h3>Each layer pruned alone ({{ step.pattern }}), validation accuracy in %</h3>
<figure><img alt="Sensitivity of the layers" src="{{ step.curves }}"></figure>
<details><summary>As a table</summary><div class="scroll">{{ table(step.sensitivity) }}</div>
</details>
{% endfor %}
{{ data }}
{% if report.notices %}
<h2>Notices</h2>
<ul>{% for notice in report.notices %}<li>{{ notice }}</li>{% endfor %}</ul>
{% endif %}
<h2>The same model again</h2>
<pre>{{ config }}</pre>
<h2>Parameters of the search</h2>
<details><summary>All of them</summary><pre>{{ parameters }}</pre></details>
</body>
</html>
""")

_TABLE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<table>
<tr>{% for cell in header %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for row in rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table>
""")


def to_html(report: SearchReport, config: str, cards: Sequence[Card] = ()) -> str:
    """The text of `search.html`.

    Args:
        report: The report.
        config: The text of the file that gives the model again.
        cards: Those of the data.
    """
    from markupsafe import Markup

    model, dataset = report.parameters["model"], report.parameters["dataset"]

    def table(content) -> Markup:
        header, rows = content
        return Markup(_TABLE.render(header=header, rows=rows))

    layers = [[layer, f"{ratio:.1%}"] for layer, ratio in report.winner.layers.items()]
    return _PAGE.render(
        title=f"Search: {source(model)} on {source(dataset)}",
        summary=search_summary(report),
        verdict=search_verdict(report),
        report=report,
        table=table,
        winner=winner_table(report),
        layers=(["layer", "share removed"], layers),
        steps=[_step(report, step) for step in report.steps],
        config=config,
        data=data_section(cards),
        parameters=json.dumps(report.parameters, indent=2),
    )


def _step(report: SearchReport, step) -> dict:
    header, rows = trial_table(step)
    told = [f"{100 * step.allowed:.2f} points of accuracy"] if step.allowed is not None else []
    told += [f"{limit:,.4g} {UNITS[name]}" for name, limit in step.limits.items()]
    tried = f"{len(step.trials)} trial{'s' if len(step.trials) != 1 else ''}"
    buffer = io.BytesIO()
    write_png([step.sensitivity], buffer)
    return {
        "heading": f"The path of the search: {step.pattern}",
        "text": f"Strategy {report.strategy}, {tried}; budget up to here: {', '.join(told)}.",
        "picture": _data(step_svg(report, step), "image/svg+xml"),
        "header": header,
        "rows": rows,
        "pattern": step.pattern,
        "curves": _data(buffer.getvalue(), "image/png"),
        "sensitivity": sensitivity_table(step.sensitivity),
    }


def _data(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
