"""`sweep.html`: the chart's points, and the tables beside it."""

from __future__ import annotations

from secateur.report.sweep_html import to_html
from secateur.report.sweep_plots import choices
from secateur.report.sweep_tables import sweep_summary, variant_table


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


def test_an_error_is_no_percentage(sweep):
    errors = sweep.model_copy(update={"metric": "mae", "higher": False})
    header, rows = variant_table(errors)
    assert header[1:4] == ["validation", "test", "sparsity"]
    assert rows[0][1:4] == ["0.935 ± 0.0071", "0.935 ± 0.0071", "50.00 ± 0.00%"]
    assert "the dense model has 0.9312 on the test split" in sweep_summary(errors)
    assert "<br>test 0.935 ± 0.0071<br>" in str(choices(errors))


def test_the_page_is_small_and_whole(sweep):
    page = to_html(sweep)
    assert len(page.encode()) < 1_500_000
    assert sweep_summary(sweep) in page
    assert "One was left out." in page
