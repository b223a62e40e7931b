"""A person's way through the UI, in a real browser: form, run, artifacts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, chromium
from tests.deployments.conftest import until

pytest.importorskip("playwright.sync_api", reason="the package playwright is missing")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]

WAIT = 60_000  # ms


@pytest.fixture
def page():
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(WAIT)
        yield opened


@pytest.fixture
def picture(page, tmp_path):
    """Takes pictures; SECATEUR_PICTURES names the folder where they are kept (docs, say)."""
    folder = Path(os.environ.get("SECATEUR_PICTURES", tmp_path))

    def take(name):
        page.wait_for_timeout(1000)  # fonts and transitions
        page.screenshot(path=folder / f"{name}.png")

    return take


def _field(page, name, number=0):
    """A field of the form, or of a group of it, by its label, of several so called by number."""
    label = f".schema-form-property__label:text-is('{name}')"
    return page.locator(f".schema-form-property:has(> .p-label__header {label})").nth(number)


def _fill(page, name, value, number=0):
    box = _field(page, name, number).locator("input").last
    box.scroll_into_view_if_needed()
    box.fill(value)
    box.press("Tab")


def _text(page):
    return " ".join(page.inner_text("body").split())


def test_a_run_from_the_form_with_changed_values(served, page, picture, home):
    ui = served.url.removesuffix("/api")
    page.goto(f"{ui}/deployments")
    page.get_by_text("sweep-thresholds").first.wait_for()
    picture("deployments")

    prune = served.deployments()["prune"]["id"]
    page.goto(f"{ui}/deployments/deployment/{prune}/run")
    target = _field(page, "target")
    _field(target, "Ratio (Optional)").wait_for()
    for said in (
        "How much to remove, and where.",  # what a group is
        "met exactly, to one weight, block or channel. At least 0, below 1.",  # a field, its bounds
        "Adam's learning rate, at its highest. Above 0, at most 10.",
    ):
        assert said in _text(page)
    _field(page, "Criterion (Optional)").locator(".p-select-button__control").press("ArrowDown")
    page.locator(".p-select-option").get_by_text("snip", exact=True).click()
    _fill(page, "Epochs (Optional)", "1", 0)
    _fill(page, "Epochs (Optional)", "1", 1)
    _fill(target, "Ratio (Optional)", "1.5")
    page.get_by_role("button", name="Submit").click()
    _field(target, "Ratio (Optional)").get_by_text("1.5 is not valid").wait_for()
    assert served("/flow_runs/count", {}) == 0

    _fill(target, "Ratio (Optional)", "0.7")
    _field(page, "target").scroll_into_view_if_needed()
    picture("prune-form")
    page.get_by_role("button", name="Submit").click()
    (run,) = until(lambda: served("/flow_runs/filter", {}))
    assert run["parameters"]["target"]["ratio"] == 0.7
    assert run["parameters"]["importance"]["criterion"] == "snip"

    page.goto(f"{ui}/runs/flow-run/{run['id']}")
    page.get_by_text("Completed", exact=True).first.wait_for(timeout=3 * WAIT)
    assert "prune-mnist_5k-simple_net-0.7" in _text(page)
    picture("prune-run")
    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_text("What was understood of the data").first.wait_for()
    page.mouse.move(760, 700)
    for _ in range(4):  # what lies below is loaded when it comes into view
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(1000)
    page.get_by_text("The run's report").first.wait_for()
    found = served("/artifacts/filter", {})
    report = next(artifact["id"] for artifact in found if artifact["key"] == "report")
    page.goto(f"{ui}/artifacts/artifact/{report}")
    page.get_by_text("70.00%").first.wait_for()
    assert "fine-tuned" in _text(page)
    picture("prune-report")
    layers = next(artifact["id"] for artifact in found if artifact["key"] == "layers")
    page.goto(f"{ui}/artifacts/artifact/{layers}")
    page.get_by_text("dense_1").first.wait_for()
