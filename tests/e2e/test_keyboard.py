"""The keyboard: where the focus is, that it is seen, and where it goes when a button goes away."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.driver import (
    boxes,
    choose,
    expect_code,
    expect_status,
    fill,
    generate,
    open_page,
    spoil,
)
from tests.e2e.test_open_file import FOREIGN, open_file, with_helper, written
from tests.support.serving import Serving

RETIRED = "claude-3-5-haiku-20241022"
LINES = "import time\nfor n in range(900):\n    print(n, flush=True)\ntime.sleep(20)\n"


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).press("Enter")


def source(page: Page) -> Locator:
    return page.get_by_role("group", name="Source of")


@pytest.mark.matrix
def test_focus_goes_to_the_code_when_a_note_above_it_goes_away(page: Page, site: Serving) -> None:
    mine = with_helper(written(site))
    open_page(page, site)
    open_file(page, mine)
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    page.get_by_label("Example task").fill("Is it cold?")
    press(page, "Regenerate")
    expect(page.get_by_test_id("code")).to_contain_text("Is it cold?")
    expect(source(page)).to_be_focused()
    press(page, "Discard my edits")
    expect(page.get_by_test_id("code")).not_to_contain_text("shout")
    expect(source(page)).to_be_focused()


def test_focus_goes_to_the_code_when_a_conflict_is_decided(page: Page, site: Serving) -> None:
    mine = written(site).replace('"claude-sonnet-5-5"', 'str("claude-sonnet-5-5")')
    open_page(page, site)
    open_file(page, mine)
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    choose(page, "Model", "Claude Haiku 5.5")
    generate(page)
    press(page, "Keep my code")
    expect(page.get_by_role("combobox", name="Model")).to_have_value("Claude Sonnet 5.5")
    expect(source(page)).to_be_focused()
    expect_code(page, mine)


@pytest.mark.matrix
def test_focus_goes_to_the_report_of_an_import_and_then_to_open(page: Page, site: Serving) -> None:
    open_page(page, site)
    open_file(page, FOREIGN, "adder.py")
    press(page, "Import what is supported")
    report = page.get_by_role("group", name="Import report")
    expect(report).to_be_focused()
    press(page, "Greeter")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Greeter")
    expect(report).to_be_focused()
    press(page, "Dismiss")
    expect(page.get_by_role("button", name="Open file")).to_be_focused()


@pytest.mark.matrix
def test_focus_goes_to_the_model_when_a_successor_is_chosen(page: Page, site: Serving) -> None:
    open_page(page, site)
    open_file(page, written(site, model=RETIRED))
    change = page.get_by_role("button", name="Change to Claude")
    change.first.press("Enter")
    expect(change).to_have_count(0)
    expect(page.get_by_role("combobox", name="Model")).to_be_focused()


def test_focus_goes_to_test_agent_when_a_problem_is_dismissed(page: Page, site: Serving) -> None:
    open_page(page, site)
    fill(page)
    page.route("**/api/generate", lambda route: route.fulfill(status=503, json={"detail": "No."}))
    generate(page)
    press(page, "Dismiss")
    expect(page.get_by_role("button", name="Test Agent")).to_be_focused()


def test_focus_goes_to_the_output_on_the_way_to_its_newest_line(page: Page, site: Serving) -> None:
    open_page(page, site)
    fill(page)
    spoil(page, LINES)
    page.get_by_role("button", name="Test Agent").click()
    output = page.get_by_role("group", name="Output")
    expect(output).to_contain_text("899")
    output.evaluate("output => output.scrollTo(0, 0)")
    press(page, "Latest")
    expect(output).to_be_focused()
    page.get_by_role("button", name="Stop").click()
    expect_status(page, "cancelled")


@pytest.mark.matrix
def test_focus_stays_where_the_reader_has_gone_meanwhile(page: Page, site: Serving) -> None:
    open_page(page, site)
    open_file(page, with_helper(written(site)))
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    page.get_by_label("Example task").fill("Is it cold?")
    page.get_by_role("button", name="Regenerate").press("Enter")
    page.get_by_label("Name", exact=True).focus()
    expect(page.get_by_test_id("code")).to_contain_text("Is it cold?")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()


def test_focus_is_seen_in_a_field_with_an_error(page: Page, site: Serving) -> None:
    open_page(page, site)
    page.get_by_label("Name", exact=True).fill("")
    generate(page)
    name = page.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_css("outline-style", "solid")


def test_nothing_moves_when_the_list_of_models_has_come(page: Page, site: Serving) -> None:
    page.route("**/api/catalog", lambda route: None)
    page.goto(site.url)
    box = page.get_by_label("Stream Response")
    expect(page.locator(".skeleton-facts")).to_be_visible()
    (before,) = boxes(box)
    page.unroute("**/api/catalog")
    page.reload()
    expect(page.get_by_role("button", name="Test Agent")).to_be_enabled()
    (after,) = boxes(box)
    assert abs(before["y"] - after["y"]) <= 2
