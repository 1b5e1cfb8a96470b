"""The page, as a person uses it: a real browser, a real server, the real local model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Provider
from tests.e2e.driver import (
    DONE,
    MODELS,
    choose,
    code_of,
    expect_status,
    fill,
    hold,
    open_page,
    said_by_the_model,
    spoil,
    start_slow_run,
    text_of,
)
from tests.support.serving import ServerFactory, Serving, wait_until
from tests.support.upstream import Answer

# ---------------------------------------------------------------- the main job


@pytest.mark.matrix(keep=2)
@pytest.mark.parametrize("provider", ["Anthropic", "Hugging Face"])
@pytest.mark.parametrize("stream", [False, True])
def test_form_to_an_agent_that_has_run(
    page: Page, site: Serving, provider: str, stream: bool
) -> None:
    open_page(page, site)
    fill(page)
    choose(page, "Provider", provider)
    choose(page, "Model", MODELS[provider])
    page.get_by_label("Stream Response").set_checked(stream)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    answer = text_of(page, "stdout").strip()
    assert answer
    wait_until(lambda: answer in said_by_the_model(site))
    assert text_of(page, "stderr") == ""
    expect(page.get_by_test_id("backend")).to_contain_text("local model")
    code = code_of(page)
    assert "class Geographer:" in code
    assert ("on_text" in code) is stream


def test_generated_code_is_copied_and_downloaded_as_it_is(
    page: Page, site: Serving, tmp_path: Path
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_page(page, site)
    fill(page)
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_test_id("code")).to_contain_text("class Geographer")
    shown = page.get_by_test_id("code").text_content()
    page.get_by_role("button", name="Copy").click()
    wait_until(lambda: page.evaluate("navigator.clipboard.readText()") == shown)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "geographer.py"
    assert Path(download.value.path()).read_text("utf-8") == shown


def test_changing_the_provider_changes_the_models_offered(page: Page, site: Serving) -> None:
    open_page(page, site)

    def expect_offered(these: str, not_these: str) -> None:
        page.get_by_role("combobox", name="Model").click()
        options = page.get_by_role("option")
        expect(options.filter(has_text=these)).to_be_visible()
        expect(options.filter(has_text=not_these)).to_have_count(0)
        page.keyboard.press("Escape")

    choose(page, "Provider", "Anthropic")
    expect_offered("Claude Sonnet 5.5", "Llama")
    choose(page, "Provider", "Hugging Face")
    expect_offered("Mistral 7B Instruct v0.3", "Claude")


def test_retired_model_warns_and_still_generates(page: Page, site: Serving) -> None:
    open_page(page, site)
    fill(page)
    choose(page, "Model", "Claude Haiku 3.5")
    expect(page.get_by_text("Retired by its provider on 2026-02-19")).to_be_visible()
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_test_id("code")).to_contain_text("claude-3-5-haiku-20241022")


def test_output_comes_in_as_it_is_written_and_stop_ends_the_run(
    page: Page, provider: Provider
) -> None:
    start_slow_run(page, provider, shown="word1")
    expect_status(page, "running")
    expect(page.get_by_test_id("backend")).to_contain_text("Anthropic")
    page.get_by_role("button", name="Stop").click()
    expect_status(page, "cancelled")
    assert "word0 word1" in text_of(page, "stdout")
    assert "word99" not in text_of(page, "stdout")
    expect(page.get_by_role("button", name="Test Agent")).to_be_enabled()


def test_traceback_of_a_program_is_shown_apart_from_its_output(page: Page, site: Serving) -> None:
    spoil(page, "print('before')\ndef broken():\n    return 1 / 0\n\n\nbroken()\n")
    open_page(page, site)
    fill(page)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "error")
    assert text_of(page, "stdout") == "before\n"
    shown = text_of(page, "stderr")
    assert "Traceback (most recent call last)" in shown
    assert 'agent.py", line 3, in broken' in shown
    assert "ZeroDivisionError: division by zero" in shown


def test_provider_error_is_shown_as_the_agents_one_line(page: Page, provider: Provider) -> None:
    body = b'{"type":"error","error":{"type":"authentication_error","message":"invalid key"}}'
    provider.answer = Answer(401, {"Content-Type": "application/json"}, body)
    open_page(page, provider.server)
    fill(page)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "error")
    assert "invalid key" in text_of(page, "stderr")


# ---------------------------------------------------------------- when things go wrong


def test_server_side_error_appears_at_its_field(page: Page, site: Serving) -> None:
    open_page(page, site)
    fill(page)
    page.get_by_label("Example task").fill("x" * 102_401)
    page.get_by_role("button", name="Generate", exact=True).click()
    field = page.get_by_label("Example task")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("at most 102,400 are allowed")).to_be_visible()
    expect(field).to_be_focused()


def test_what_was_typed_survives_a_reload_and_a_lost_server(
    page: Page, serve: ServerFactory
) -> None:
    server = serve(AGENT_BUILDER_LOCAL_MODEL_PATH="none")  # nothing is run: it needn't load one
    open_page(page, server)
    fill(page, name="Kept")
    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Kept")
    server.stop()
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text(re.compile("reach the server")).first).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Kept")


@pytest.fixture(scope="module")
def guarded(serve_all: ServerFactory) -> Serving:
    return serve_all("--token", "let-me-in", AGENT_BUILDER_LOCAL_MODEL_PATH="none")


def test_page_opened_by_the_printed_address_has_its_token(page: Page, guarded: Serving) -> None:
    open_page(page, guarded)
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_test_id("code")).to_contain_text("class ")
    assert "token" not in page.url


def test_page_without_the_token_asks_for_it(page: Page, guarded: Serving) -> None:
    page.goto(guarded.base)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("textbox").fill("wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Wrong access token")).to_be_visible()
    dialog.get_by_role("textbox").fill("let-me-in")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.get_by_label("Name", exact=True)).to_be_visible()


def test_the_whole_job_can_be_done_by_keyboard(page: Page, site: Serving) -> None:
    spoil(page, DONE)
    open_page(page, site)
    fill(page)
    page.get_by_label("Example task").focus()
    page.keyboard.press("Control+Enter")
    expect_status(page, "success")


@pytest.mark.matrix
def test_shortcut_before_the_server_has_answered_is_kept_and_said(
    page: Page, site: Serving
) -> None:
    held = hold(page, "**/api/catalog")
    spoil(page, DONE)
    open_page(page, site)
    page.get_by_label("Example task").press("Control+Enter")
    expect(page.get_by_text("The test starts as soon as the server responds.")).to_be_visible()
    held[0].continue_()
    expect_status(page, "success")
