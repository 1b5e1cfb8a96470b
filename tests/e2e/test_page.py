"""The page, as a person uses it: a real browser, a real server, the real local model."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.conftest import Provider
from tests.support.serving import ServerFactory, Serving, wait_until
from tests.support.upstream import Answer, message, message_events

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
    code = page.get_by_test_id("code").text_content() or ""
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
    provider.answer = SLOW_WORDS
    open_page(page, provider.server)
    fill(page)
    page.get_by_label("Stream Response").check()
    page.get_by_role("button", name="Test Agent").click()
    expect(page.get_by_test_id("stdout").first).to_contain_text("word1", timeout=60_000)
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


# ---------------------------------------------------------------- what is seen is what runs


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


# ---------------------------------------------------------------- what stays


def test_reload_takes_up_the_run_that_is_going_and_the_one_that_has_ended(
    page: Page, provider: Provider
) -> None:
    provider.answer = SLOW_WORDS
    open_page(page, provider.server)
    fill(page)
    page.get_by_label("Stream Response").check()
    page.get_by_role("button", name="Test Agent").click()
    expect(page.get_by_test_id("stdout").first).to_contain_text("word2", timeout=60_000)
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
    code = page.get_by_test_id("code").text_content()
    changed = page.get_by_text("The form has changed since")
    page.reload()
    expect(page.get_by_role("button", name="Test Agent")).to_be_enabled()
    assert page.get_by_test_id("code").text_content() == code
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


# ---------------------------------------------------------------- how it looks


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
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
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
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert axe(page) == [], width
        page.screenshot(path=SHOTS / f"page-{scheme}-{width}.png")


def axe(page: Page) -> list[str]:
    """Return what axe-core finds; run by the test, outside the page's content policy."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{item['id']}: {item['nodes'][0]['html'][:200]}" for item in result["violations"]]


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
    start = time.monotonic()
    page.get_by_label("Name", exact=True).fill("still alive")
    assert time.monotonic() - start < 10
    assert "008999" in text_of(page, "stdout")
