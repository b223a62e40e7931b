"""`sweep.html`: the chart's points, and the tables beside it."""

from __future__ import annotations

from secateur.report.sweep_html import to_html
from secateur.report.sweep_plots import choices
from secateur.report.sweep_tables import sweep_summary


def test_each_cost_is_a_choice_with_its_front(sweep):
    found = {choice["label"]: choice for choice in choices(sweep)}
    assert next(iter(found)) == "nonzero weights"
    assert "bytes (.keras, gzip)" in found
    others, front = found["nonzero weights"]["data"]
    assert (others["name"], others["x"]) == ("others", [200])
    assert (front["name"], front["x"]) == ("worth their cost", [100, 500])
    assert front["y"] == [sweep.variants[place].figures["test"].mean for place in (1, 0)]
    assert front["error_y"]["visible"]
    (line,) = found["nonzero weights"]["layout"]["shapes"]
    assert line["y0"] == line["y1"] == 0.9312


def test_names_are_no_markup(sweep):
    for trace in choices(sweep)[0]["data"]:
        assert all(label.startswith("&lt;ratio&gt;=") for label in trace["customdata"])
    page = to_html(sweep)
    assert "&lt;ratio&gt;=0.9" in page
    assert "<ratio>" not in page


def test_the_page_is_small_and_whole(sweep):
    page = to_html(sweep)
    assert len(page.encode()) < 1_500_000
    assert sweep_summary(sweep) in page
    assert "One was left out." in page
