"""The section Checked: what was proved, on how many examples, and how closely."""

from __future__ import annotations

import re

from secateur.proof.telling import checked_line
from secateur.report.checked import checked_table
from secateur.report.compress import CompressReport
from secateur.report.evidence import Evidence
from secateur.report.markdown import checks_section, to_markdown
from secateur.report.page import to_html
from secateur.report.transfer import TransferReport


def test_a_row_for_each_proof_and_of_one_made_twice_the_worst(checks):
    header, rows = checked_table(checks)
    assert header == ["what was proved", "examples", "largest difference", "allowed"]
    assert rows == [
        ["The copy of <dense> is right.", "8", "3e-07", "1e-05"],
        ["The cut of <dense> is right.", "1,000", "1.2e-06", "1e-05"],
        ["The zeros | are zero.", "", "0", "none"],
    ]


def test_the_same_proof_with_another_bound_or_size_has_a_row_of_its_own(checks):
    copy = checks[1]
    others = [copy.model_copy(update=change) for change in ({"examples": 9}, {"tolerance": 1.0})]
    assert len(checked_table([copy, copy, *others])[1]) == 3


def test_one_line_names_the_subjects_and_the_largest_difference(checks):
    assert checked_line(checks) == "Checked: copy, cut, masks: largest difference 1.2e-06."
    assert checked_line(checks[:1]) == "Checked: masks: largest difference 0."
    assert checked_line([]) == ""


def test_markdown_has_the_section_where_something_was_checked(make, checks):
    text = to_markdown(make(checks=checks))
    section = text.partition("## Checked\n")[2].partition("\n## ")[0]
    assert "| The cut of <dense> is right. | 1,000 | 1.2e-06 | 1e-05 |" in section
    assert r"| The zeros \| are zero. |  | 0 | none |" in section
    assert "Checked" not in to_markdown(make())


def test_the_page_has_the_section_and_a_statement_is_no_markup(make, checks):
    page = to_html(make(checks=checks), Evidence())
    section = re.search(r'<section id="checked">.*?</section>', page, re.DOTALL).group()
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", section)
    rows = [cells[start : start + 4] for start in range(4, len(cells), 4)]
    assert rows[1] == ["The cut of &lt;dense&gt; is right.", "1,000", "1.2e-06", "1e-05"]
    assert 'href="#checked"' in page
    assert 'id="checked"' not in to_html(make(), Evidence())


def test_every_report_of_models_has_room_for_checks(checks):
    for report in (CompressReport, TransferReport):
        assert not report.model_fields["checks"].is_required()
    assert checks_section(checks)[0] == "## Checked\n"
