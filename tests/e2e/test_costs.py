"""Tokens, money and budgets on the page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.test_page import SHOTS, expect_status, fill, open_page, spoil
from tests.serving import ServerFactory
from tests.upstream import Answer, message, message_events, scripted

KEY = "canary-key-" + "42"
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
        page.set_viewport_size({"width": width, "height": 900})
        page.get_by_role("group", name="Model calls").scroll_into_view_if_needed()
        page.screenshot(path=SHOTS / f"{name}-{width}.png")
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0


def test_calls_and_the_run_show_tokens_cost_and_first_token(
    page: Page, serve: ServerFactory
) -> None:
    with scripted(lambda _: STREAM) as upstream:
        server = serve(ANTHROPIC_API_KEY=KEY, AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url)
        open_page(page, server)
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


def test_sums_are_shown_where_there_are_several_calls(page: Page, serve: ServerFactory) -> None:
    answer = Answer(headers={"Content-Type": "application/json"}, body=message("yes"))
    with scripted(lambda _: answer) as upstream:
        server = serve(ANTHROPIC_API_KEY=KEY, AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url)
        open_page(page, server)
        fill(page)
        spoil(page, TWO_CALLS)
        page.get_by_role("button", name="Test Agent").click()
        expect_status(page, "success")
    summary = page.locator(".summary")
    for text in (r"Model calls\s*2", r"Tokens in\s*\d", r"Cost\s*\$0\.0"):
        expect(summary).to_contain_text(re.compile(text))


def test_run_that_a_budget_ended_says_which(page: Page, serve: ServerFactory) -> None:
    server = serve(ANTHROPIC_API_KEY=KEY, AGENT_BUILDER_RUN_BUDGET_USD="0.0001")
    open_page(page, server)
    fill(page)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "limit")
    expect(page.get_by_test_id("run-status")).to_contain_text("Limit reached: budget")
    expect(page.locator(".note")).to_contain_text("Budget of $0.0001 for this run")
    photograph(page, "budget")
