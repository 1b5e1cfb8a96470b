"""What a person does on the page, and what they see, for the tests in this folder."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.conftest import Provider
from tests.support.serving import Serving, wait_until
from tests.support.upstream import Answer, message_events

ROOT = Path(__file__).resolve().parents[2]
SHOTS = Path(os.environ.get("SCREENSHOTS") or ROOT / "build" / "screenshots")
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
TASK = "What is the capital of France?"
MODELS = {"Anthropic": "Claude Haiku 5.5", "Hugging Face": "gpt-oss 20B"}
SLOW_WORDS = Answer(
    headers={"Content-Type": "text/event-stream"},
    chunks=message_events(*[f"word{n} " for n in range(100)]),
    pause=0.3,
)
TWO_FRAMES = (
    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))"
)
DONE = "print('done')\n"
"""A program for tests that want some run, whatever it says."""


def open_page(page: Page, server: Serving) -> None:
    page.goto(server.url)
    expect(page.get_by_label("Name", exact=True)).to_be_visible()


def choose(page: Page, field: str, option: str) -> None:
    page.get_by_role("combobox", name=field).click()
    page.get_by_role("option", name=re.compile(re.escape(option))).first.click()


def fill(page: Page, *, name: str = "Geographer", task: str = TASK) -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("System prompt").fill("You are a helpful assistant.")
    page.get_by_label("Example task").fill(task)


def start_slow_run(page: Page, provider: Provider, *, shown: str) -> None:
    """Test an agent whose model takes half a minute; return when its output has that word."""
    provider.answer = SLOW_WORDS
    open_page(page, provider.server)
    fill(page)
    page.get_by_label("Stream Response").check()
    page.get_by_role("button", name="Test Agent").click()
    expect(page.get_by_test_id("stdout").first).to_contain_text(shown, timeout=60_000)


def status(page: Page) -> Locator:
    return page.get_by_test_id("run-status")


def expect_status(page: Page, expected: str) -> None:
    expect(status(page)).to_have_attribute("data-status", expected, timeout=60_000)


def text_of(page: Page, stream: str) -> str:
    return "".join(page.get_by_test_id(stream).all_text_contents())


def spoil(page: Page, code: str) -> None:
    """Replace the file on its way to the page, as if the builder had written another."""

    def replace(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json={**response.json(), "code": code})

    page.route("**/api/generate", replace)


def hold(page: Page, path: str) -> list[Route]:
    """Hold the next request of `path` back. It comes into the list, for the test to let it go."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(path, keep, times=1)
    return held


def said_by_the_model(server: Serving) -> list[str]:
    """Return what the local model's own log says it answered, oldest first."""
    log = (server.folder / "data" / "local_model.log").read_text("utf-8", "replace")
    parsed = re.findall(r"Parsed message: (\{.*\})$", log, re.MULTILINE)
    return [json.loads(text)["content"] for text in parsed]


def section(page: Page, name: str) -> Locator:
    """Return the button that folds a section; its text says what is set."""
    return page.get_by_role("button", name=re.compile(f"^{name}"))


def generate(page: Page) -> None:
    page.get_by_role("button", name="Generate", exact=True).click()


def code_of(page: Page) -> str:
    return page.get_by_test_id("code").text_content() or ""


def expect_code(page: Page, code: str) -> None:
    """Wait until the page shows exactly this code, whitespace included."""
    with suppress(AssertionError):
        wait_until(lambda: code_of(page) == code)
    assert code_of(page) == code


def resize(page: Page, width: int, height: int) -> None:
    """Give the window another size; return when the page is laid out for it and isn't too wide.

    The browser evaluates media queries again with its next frame: positions that are read before
    belong to the layout of the size before.
    """
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("([w, h]) => innerWidth === w && innerHeight === h", arg=[width, height])
    page.evaluate(TWO_FRAMES)
    expect_no_sideways_scroll(page)


def expect_no_sideways_scroll(page: Page) -> None:
    wait_until(lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def boxes(*locators: Locator) -> list[dict[str, float]]:
    """Return the positions of elements, all of one moment: x, y, width, height in CSS pixels."""
    handles = [locator.element_handle() for locator in locators]
    found: list[dict[str, float]] = locators[0].page.evaluate(
        "all => all.map((element) => element.getBoundingClientRect().toJSON())", handles
    )
    return found


def axe(page: Page) -> list[str]:
    """Return what axe-core finds; run by the test, outside the page's content policy."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{item['id']}: {item['nodes'][0]['html'][:200]}" for item in result["violations"]]
