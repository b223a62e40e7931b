"""The page in a real browser without a network: nothing goes wrong, everything is drawn."""

from __future__ import annotations

import pytest

from secateur.report.files import write_results
from secateur.report.sweep_files import write_sweep
from tests.browser import CHROMIUM, chromium

pytest.importorskip("playwright.sync_api", reason="the package playwright is missing")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser, report, evidence, sweep, tmp_path):
    """Opens a page in a browser of a size and a colour scheme, and looks at all of it."""
    (tmp_path / "model.keras").write_bytes(b"a model")
    write_results(tmp_path / "out", report, tmp_path / "model.keras", evidence)
    write_sweep(tmp_path / "out", sweep, {})
    contexts = []

    def opened(width, scheme="light", name="report.html"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.troubles, page.requests = [], []
        page.on("console", lambda message: page.troubles.append(message.text))
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto((tmp_path / "out" / name).as_uri())
        for plot in page.locator(".plot").all():
            plot.scroll_into_view_if_needed()
            plot.locator(".main-svg").first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("name", "plots"), [("report.html", 7), ("sweep.html", 1)])
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_it_opens_without_a_network_and_without_an_error(visit, width, scheme, name, plots):
    page = visit(width, scheme, name)
    assert page.troubles == []
    outside = [url for url in page.requests if not url.startswith(("file:", "data:"))]
    assert outside == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter((image) => !image.naturalWidth).length"
    assert page.evaluate(broken) == 0
    assert page.locator(".plot").count() == plots
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light is (scheme == "light")


def test_a_choice_of_the_reader_is_drawn(visit):
    page = visit(1280)
    title = page.locator("#plot-size .xtitle")
    assert title.text_content() == "nonzero weights"
    page.select_option("[data-for=size]", label="bytes (.keras, gzip)")
    page.wait_for_function(
        "document.querySelector('#plot-size .xtitle').textContent === 'bytes (.keras, gzip)'"
    )
    assert page.locator(".matrix").first.is_visible()
    page.get_by_text("dense", exact=True).locator("visible=true").last.scroll_into_view_if_needed()
    page.locator("label[for=confusion-before]").click()
    assert not page.locator(".after .matrix").is_visible()
    assert page.locator(".before .matrix").is_visible()
    assert page.troubles == []


def test_charts_follow_when_the_system_turns_dark(visit):
    page = visit(1280)
    colour = "getComputedStyle(document.querySelector('#plot-size .xtitle')).fill"
    before = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{colour} !== '{before}'")
    assert page.troubles == []
