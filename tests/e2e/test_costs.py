"""Tokens, money and budgets on the page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Provider
from tests.e2e.driver import SHOTS, choose, expect_status, fill, open_page, resize, spoil
from tests.support.upstream import Answer, message, message_events

STREAM = Answer(
    headers={"Content-Type": "text/event-stream"},
    chunks=message_events("The capital of France ", "is Paris."),
    pause=0.05,
)

TWO_CALLS = """
import anthropic

client = anthropic.Anthropic()
for _ in range(2):
    client.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=9,
        messages=[{"role": "user", "content": "yes?"}],
    )
"""


def photograph(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width in (360, 1280):
        resize(page, width, 900)
        page.get_by_role("group", name="Model calls").scroll_into_view_if_needed()
        page.screenshot(path=SHOTS / f"{name}-{width}.png")


def test_calls_and_the_run_show_tokens_cost_and_first_token(page: Page, provider: Provider) -> None:
    provider.answer = STREAM
    open_page(page, provider.server)
    fill(page)
    page.get_by_label("Stream Response").set_checked(True)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    call = page.get_by_role("group", name="Model calls")
    for text in (r"First token\s*\d", r"Tokens in\s*3", r"Tokens out\s*5", r"Cost\s*\$0\.0000"):
        expect(call).to_contain_text(re.compile(text))
    expect(call).to_contain_text(re.compile(r"Prices: genai-prices [\d.]+ \(\d{4}-\d\d-\d\d\)"))
    summary = page.locator(".summary")
    expect(summary).to_contain_text("Duration")
    for text in ("Model calls", "Tokens in", "Cost"):
        expect(summary).not_to_contain_text(text)  # they stand at the only call already
    photograph(page, "costs")


@pytest.mark.matrix
def test_sums_are_shown_where_there_are_several_calls(page: Page, provider: Provider) -> None:
    provider.answer = Answer(headers={"Content-Type": "application/json"}, body=message("yes"))
    open_page(page, provider.server)
    fill(page)
    spoil(page, TWO_CALLS)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    summary = page.locator(".summary")
    for text in (r"Model calls\s*2", r"Tokens in\s*\d", r"Cost\s*\$0\.0"):
        expect(summary).to_contain_text(re.compile(text))


def test_run_that_a_budget_ended_says_which(page: Page, provider: Provider) -> None:
    open_page(page, provider.server)
    fill(page)
    choose(page, "Model", "Claude Fable 5.1")  # an answer of it may cost more than a run may
    page.get_by_role("button", name="Test Agent").click()

    expect_status(page, "limit")
    expect(page.get_by_test_id("run-status")).to_contain_text("Limit reached: budget")
    expect(page.locator(".note")).to_contain_text("left of the budget of $0.10 for this run")
    assert provider.upstream.received == []
    photograph(page, "budget")
