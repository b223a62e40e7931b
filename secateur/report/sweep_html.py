"""`sweep.html`: a sweep as one file that a browser opens without a network."""

from __future__ import annotations

import json

from jinja2 import Environment

from secateur.report.naming import source
from secateur.report.sweep import SweepReport
from secateur.report.sweep_plots import chart_html
from secateur.report.sweep_tables import front_table, sweep_summary, variant_table

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #e4e7eb; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; }
pre { background: #f5f7fa; padding: 1rem; overflow-x: auto; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>{{ summary }}</p>
{{ chart | safe }}
{% for heading, (header, rows) in tables %}
<h2>{{ heading }}</h2>
<div class="scroll"><table>
<tr>{% for cell in header %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for row in rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
{% endfor %}
{% if notices %}
<h2>Notices</h2>
<ul>{% for notice in notices %}<li>{{ notice }}</li>{% endfor %}</ul>
{% endif %}
<h2>What all trials share</h2>
<pre>{{ parameters }}</pre>
</body>
</html>
""")


def to_html(report: SweepReport) -> str:
    """The text of `sweep.html`."""
    model, dataset = report.parameters["model"], report.parameters["dataset"]
    return _PAGE.render(
        title=f"Sweep of {source(model)} on {source(dataset)}",
        summary=sweep_summary(report),
        chart=chart_html(report),
        tables=[
            ("Worth their cost", front_table(report)),
            ("All variants", variant_table(report)),
        ],
        notices=report.notices,
        parameters=json.dumps(report.parameters, indent=2),
    )
