"""What a reload, a reset or a refused form leaves on the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Provider
from tests.e2e.driver import (
    DONE,
    code_of,
    expect_code,
    expect_status,
    fill,
    open_page,
    spoil,
    start_slow_run,
    text_of,
)
from tests.support.serving import Serving, wait_until


def test_reload_takes_up_the_run_that_is_going_and_the_one_that_has_ended(
    page: Page, provider: Provider
) -> None:
    start_slow_run(page, provider, shown="word2")
    page.reload()
    expect_status(page, "running")
    expect(page.get_by_test_id("stdout")).to_contain_text("word0 word1 word2 word3")
    expect(page.get_by_test_id("code")).to_contain_text("class Geographer")
    other = page.context.new_page()
    open_page(other, provider.server)
    expect(other.get_by_text("Nothing has run yet")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect_status(page, "cancelled")
    assert len(provider.upstream.received) == 1
    before = text_of(page, "stdout")
    page.reload()
    expect_status(page, "cancelled")
    wait_until(lambda: text_of(page, "stdout") == before)
    expect(page.get_by_test_id("backend")).to_contain_text("Anthropic API")
    expect(page.get_by_text("Exit code")).to_be_hidden()
    expect(page.get_by_role("button", name="Test Agent")).to_be_enabled()


@pytest.mark.matrix
def test_reload_keeps_the_generated_code_and_whether_the_form_has_changed(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    fill(page)
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_test_id("code")).to_contain_text("class Geographer")
    code = code_of(page)
    changed = page.get_by_text("The form has changed since")
    page.reload()
    expect(page.get_by_role("button", name="Test Agent")).to_be_enabled()
    expect_code(page, code)
    expect(changed).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("Other")
    page.reload()
    expect(page.get_by_test_id("code")).to_contain_text("class Geographer")
    expect(changed).to_be_visible()


@pytest.mark.matrix
def test_run_that_the_server_no_longer_knows_is_forgotten(page: Page, site: Serving) -> None:
    open_page(page, site)
    page.evaluate("sessionStorage.setItem('llm-agent-builder.run', JSON.stringify({id: 'gone'}))")
    page.reload()
    expect(page.get_by_text("Nothing has run yet")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('llm-agent-builder.run')") is None


@pytest.mark.matrix
def test_page_works_where_the_browser_keeps_nothing(page: Page, site: Serving) -> None:
    page.add_init_script(
        "for (const area of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, area, { get() { throw new Error('forbidden'); } });"
    )
    spoil(page, DONE)
    open_page(page, site)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")


@pytest.mark.matrix
def test_refused_form_leaves_the_result_before_it_on_the_page(page: Page, site: Serving) -> None:
    open_page(page, site)
    fill(page)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    answer = text_of(page, "stdout")
    page.get_by_label("Example task").fill("x" * 102_401)
    page.get_by_role("button", name="Test Agent").click()
    expect(page.get_by_text("at most 102,400 are allowed")).to_be_visible()
    expect(page.get_by_text("Test not started")).to_be_visible()
    expect_status(page, "success")
    assert text_of(page, "stdout") == answer
    expect(page.get_by_test_id("code")).to_contain_text("class Geographer")


def test_reset_is_taken_back_and_the_browsers_undo_doubles_nothing(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    prompt = page.get_by_label("System prompt")
    prompt.click()
    page.keyboard.press("End")
    page.keyboard.type(" One two three.")
    mine = prompt.input_value()
    page.get_by_role("button", name="Reset").click()
    starter = prompt.input_value()
    assert starter != mine
    page.get_by_role("button", name="Undo reset").click()
    expect(prompt).to_have_value(mine)
    page.get_by_role("button", name="Reset").click()
    prompt.click()
    page.keyboard.press("End")
    page.keyboard.type(" More.")
    for _ in range(12):
        page.keyboard.press("Control+z")
        assert f"{starter} More.".startswith(prompt.input_value())
    expect(prompt).to_have_value(starter)
