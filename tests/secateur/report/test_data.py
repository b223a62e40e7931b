"""The card of a data set in pages, Markdown and JSON."""

from __future__ import annotations

import html
import re

import pytest
from markdown_it import MarkdownIt

from secateur.report.data import DataFaces, data_section, to_html
from secateur.report.data_tables import card_summary, target_table
from secateur.report.markdown import card_markdown, to_markdown
from secateur.report.sweep_files import write_sweep
from secateur.report.sweep_html import to_html as sweep_page

SUMMARY = (
    "*<my>* data: classification of images of 8×8×3 and rows of 2 numbers; 1,000 train, 50 test."
)
NAMES = ("<my>", "<c|", "|<b>", "<d>")


def _seen(page):
    """The text of a page, without its script, style and marks."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_summary_names_what_and_how_much(card):
    assert card_summary(card) == SUMMARY


@pytest.mark.parametrize("face", ["page", "section"])
def test_a_page_has_all_that_the_card_tells(card, face):
    page = to_html(card) if face == "page" else str(data_section([card]))
    seen = _seen(page)
    for told in (
        SUMMARY,
        card.warnings[0],
        "csv, 'tab' between values: <d>.csv (1,050).",
        "1,050 pictures of pic: modes RGB (1,000), CMYK (50); height and width 8x8 (1,050); "
        "3 turned upright.",
        "7 training examples repeat the inputs of an earlier one, 2 of them with another target.",
        "the index that pandas stored",
        "a|<b> -1.5 2 0.25 1",
        "<c|39> 1,000 0 50",
        "… 10 more",
        "<c|3> tab: 0.5, -1.5",
    ):
        assert told in seen, told
    assert ("in the order of encoder.json beside it" in seen) == (face == "section")
    assert page.count("<img") == 2
    assert not any(name in page for name in NAMES)
    assert "http" not in page.replace("http://www.w3.org", "")
    assert len(page.encode()) < 60_000


def test_without_a_card_there_is_no_section():
    assert data_section([]) == ""


def test_a_table_tells_how_many_rows_are_left_out(card):
    (target,) = card.targets
    header, rows = target_table(target)
    assert header == ["class", "train", "validation", "test"]
    assert len(rows) == 41
    assert rows[-1] == ["… 10 more", "", "", ""]
    few = target.model_copy(update={"classes": target.classes[:40]})
    assert len(target_table(few)[1]) == 40


def test_markdown_is_what_was_written_by_nobody_but_us(card):
    rendered = MarkdownIt("commonmark").enable("table").render(card_markdown(card))
    tags = set(re.findall(r"<(\w+)", rendered))
    assert tags <= {"h1", "h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "img"}
    seen = _seen(rendered)
    for told in (SUMMARY, card.warnings[0], card.notices[0], "<c|39> 1,000 0 50", "<c|3> ; tab"):
        assert told in seen, told


def test_the_short_form_is_in_the_report(make, card):
    text = to_markdown(make(data_card=card.without_pictures()))
    section = text.partition("## Data\n")[2].partition("## ")[0]
    assert "| train | 1,000 | train |" in section
    assert "alone tells the class" in section
    assert "encoder.json" in section
    assert "base64" not in text
    assert "## Data" not in to_markdown(make())


def test_json_has_no_pictures(card):
    slim = card.without_pictures()
    assert [each.inputs["pic"] for each in slim.samples] == [None, None]
    assert [each.inputs["tab"] for each in slim.samples] == [[0.5, -1.5], [1.0, 2.0]]
    assert slim.model_copy(update={"samples": card.samples}) == card


def test_a_sweep_tells_of_each_data_set_and_copies_what_feeds_its_models(sweep, card, tmp_path):
    other = card.model_copy(update={"name": "another"})
    seen = _seen(sweep_page(sweep, [card, other]))
    assert SUMMARY in seen
    assert "another: classification" in seen
    (tmp_path / "encoder.json").write_text("{}")
    write_sweep(tmp_path / "out", sweep, {}, DataFaces([card], [tmp_path / "encoder.json"]))
    assert (tmp_path / "out/models/encoder.json").read_text() == "{}"
