"""How the page looks: sizes of window, colours, accessibility, long output."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.driver import (
    DONE,
    SHOTS,
    axe,
    expect_no_sideways_scroll,
    expect_status,
    fill,
    open_page,
    resize,
    spoil,
    text_of,
)
from tests.support.serving import Serving, wait_until


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize(
    "size", [(320, 568), (800, 400), (1280, 620), (1366, 650), (1720, 600), (2560, 1200)]
)
def test_test_agent_is_in_view_at_every_size(
    page: Page, site: Serving, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    spoil(page, DONE)
    open_page(page, site)
    button = page.get_by_role("button", name="Test Agent")
    expect(button).to_be_in_viewport(ratio=1)
    button.click()
    expect_status(page, "success")
    for place in (0, 99_999):
        page.evaluate("y => scrollTo(0, y)", place)
        expect(button).to_be_in_viewport(ratio=1)
    expect_no_sideways_scroll(page)
    title = page.get_by_role("heading", name="LLM Agent Builder")
    assert title.evaluate("title => title.scrollWidth <= title.clientWidth")


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_the_page_is_photographed(
    page: Page, site: Serving, scheme: str
) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    open_page(page, site)
    fill(page)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"page-{scheme}.png")
    for width in (360, 768, 1440, 2560):
        resize(page, width, 900)
        assert axe(page) == [], width
        page.screenshot(path=SHOTS / f"page-{scheme}-{width}.png")


@pytest.mark.matrix
def test_newest_output_stays_in_view_to_the_end_of_the_run(page: Page, site: Serving) -> None:
    spoil(page, "import time\nfor n in range(99): print(n, flush=True); time.sleep(0.01)\n")
    open_page(page, site)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    output = page.get_by_role("group", name="Output")
    below = "view => view.scrollHeight - view.scrollTop - view.clientHeight"
    wait_until(lambda: output.evaluate(below) < 2)
    assert output.evaluate("view => view.scrollHeight > view.clientHeight")
    expect(output).to_contain_text("98")


@pytest.mark.matrix
def test_long_output_does_not_freeze_the_page(page: Page, site: Serving) -> None:
    spoil(page, "for n in range(9000): print(f'{n:06d}', 'x' * 90)\n")
    open_page(page, site)
    fill(page)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    page.get_by_label("Name", exact=True).fill("still alive")  # a frozen page fails by its timeout
    assert "008999" in text_of(page, "stdout")
