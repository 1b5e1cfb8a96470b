"""What the page says will answer is what answers."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Provider
from tests.e2e.driver import expect_status, open_page
from tests.support.upstream import Answer, message


def backend_note(page: Page) -> Locator:
    return page.get_by_role("group", name="Run with")


def look_again(page: Page) -> None:
    """Do what a browser does when its window is returned to."""
    page.evaluate("window.dispatchEvent(new Event('focus'))")


@pytest.mark.matrix
def test_auto_runs_on_what_the_page_said_also_when_a_key_has_appeared_since(
    page: Page, keyless: Provider
) -> None:
    keyless.answer = Answer(headers={"Content-Type": "application/json"}, body=message("paid for"))
    received = keyless.upstream.received
    open_page(page, keyless.server)
    expect(backend_note(page)).to_contain_text("The built-in local model will answer")
    keyless.set_key()
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    expect(page.get_by_test_id("backend")).to_contain_text("local model")
    assert received == []
    expect(backend_note(page)).to_contain_text("Anthropic API will answer")
    page.get_by_role("button", name="Test Agent").click()
    expect(page.get_by_test_id("stdout")).to_have_text("paid for\n", timeout=60_000)
    assert len(received) == 1


def test_key_set_or_taken_away_shows_when_the_page_is_looked_at_again(
    page: Page, keyless: Provider
) -> None:
    open_page(page, keyless.server)
    expect(backend_note(page)).to_contain_text("The built-in local model will answer")
    keyless.set_key()
    look_again(page)
    expect(backend_note(page)).to_contain_text("Anthropic API will answer")
    keyless.take_key()
    page.get_by_role("button", name=re.compile("^Keys")).click()
    expect(page.get_by_role("dialog")).to_contain_text("cp .env.example .env")
    expect(backend_note(page)).to_contain_text("The built-in local model will answer")


@pytest.mark.matrix
def test_key_that_went_away_is_said_and_nothing_else_runs_instead(
    page: Page, provider: Provider
) -> None:
    open_page(page, provider.server)
    expect(backend_note(page)).to_contain_text("Anthropic API will answer")
    provider.take_key()
    page.get_by_role("button", name="Test Agent").click()
    expect(page.get_by_text("Anthropic needs a key")).to_be_visible()
    expect(backend_note(page)).to_contain_text("The built-in local model will answer")
    expect(page.get_by_text("Nothing has run yet")).to_be_visible()
