"""Agent files that are there already: opened, edited by hand, imported, moved to another model."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.driver import (
    DONE,
    SHOTS,
    axe,
    choose,
    expect_code,
    expect_status,
    fill,
    generate,
    hold,
    open_page,
    resize,
    section,
    spoil,
    text_of,
)
from tests.support.serving import Serving

SPEC = {
    "name": "Weather",
    "prompt": "You talk about the weather.",
    "task": "Is it warm?",
    "provider": "anthropic",
    "model": "claude-sonnet-5-5",
    "max_tokens": 500,
}
SPEC_FILE = """\
name: Weather
prompt: |
  You talk about the weather.
  Be brief.
tools:
  - gallery: calculator
max_tokens: 500
promt: no such field
"""
HELPER = 'def shout(text: str) -> str:\n    """Say it loudly."""\n    return text.upper()\n\n\n'
FOREIGN = """\
from agents import Agent, WebSearchTool, function_tool


@function_tool
def add(a: int, b: int) -> int:
    \"\"\"Add two numbers.\"\"\"
    return a + b


greeter = Agent(name="Greeter", instructions="You greet.")
agent = Agent(name="Adder", instructions="You add.", tools=[add, WebSearchTool()])
"""


def written(site: Serving, **changed: Any) -> str:
    with site.client() as client:
        answer = client.post("/api/generate", json={**SPEC, **changed})
    code: str = answer.json()["code"]
    return code


def with_helper(code: str) -> str:
    """Return a file as its owner left it: with a function above the first class."""
    return re.sub(r"^class ", f"{HELPER}class ", code, count=1, flags=re.MULTILINE)


def open_file(page: Page, code: str, name: str = "mine.py") -> None:
    expect(page.get_by_role("button", name="Open file")).to_be_enabled()
    file: Any = {"name": name, "mimeType": "text/x-python", "buffer": code.encode()}
    page.get_by_test_id("open-input").set_input_files([file])


def drop_file(page: Page, code: str) -> None:
    carry = (
        "code => { const t = new DataTransfer(); t.items.add(new File([code], 'dropped.py'));"
        " return t; }"
    )
    transfer = page.evaluate_handle(carry, code)
    page.locator("main").dispatch_event("drop", {"dataTransfer": transfer})


def let_go(page: Page, request: Route) -> None:
    """Have a request answered, and give the page time to take what it should not."""
    with page.expect_event("requestfinished"):
        request.continue_()
    page.wait_for_timeout(300)


def test_opened_file_fills_the_form_and_keeps_what_was_written_by_hand(
    page: Page, site: Serving
) -> None:
    mine = with_helper(written(site))
    open_page(page, site)
    open_file(page, mine)
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Weather")
    expect(section(page, "Model options")).to_contain_text("500 tokens")
    expect_code(page, mine)
    expect(page.get_by_role("status").filter(has_text="1 manual edit kept, line")).to_have_count(1)
    page.get_by_label("Example task").fill("Is it cold?")
    generate(page)
    expect(page.get_by_test_id("code")).to_contain_text("Is it cold?")
    expect_code(page, mine.replace("Is it warm?", "Is it cold?"))
    held = hold(page, "**/api/catalog")
    page.reload()
    expect(page.get_by_text("1 manual edit kept")).to_be_visible()
    discard = page.get_by_role("button", name="Discard my edits")
    expect(discard).to_be_disabled()  # a press would come to nothing before the server has answered
    held[0].continue_()
    discard.click()
    expect(page.get_by_test_id("code")).not_to_contain_text("shout")
    expect(page.get_by_text("manual edit")).to_be_hidden()


@pytest.mark.matrix
def test_undo_brings_back_what_was_typed_while_the_file_was_read(page: Page, site: Serving) -> None:
    held = hold(page, "**/api/read")
    open_page(page, site)
    fill(page)
    with page.expect_request("**/api/read"):
        open_file(page, written(site))
    page.get_by_label("Example task").fill("Typed meanwhile")
    held[0].continue_()
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    expect(page.get_by_label("Example task")).to_have_value("Is it warm?")
    page.get_by_role("button", name="Undo open").click()
    expect(page.get_by_label("Example task")).to_have_value("Typed meanwhile")


def test_change_that_meets_a_hand_edit_is_shown_and_the_user_decides(
    page: Page, site: Serving
) -> None:
    mine = written(site).replace(
        '"claude-sonnet-5-5"', 'os.environ.get("MODEL", "claude-sonnet-5-5")'
    )
    open_page(page, site)
    open_file(page, mine)
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    choose(page, "Model", "Claude Haiku 5.5")
    generate(page)
    conflict = page.locator(".conflict")
    expect(conflict).to_contain_text("You and the form changed the same lines")
    expect(conflict).to_contain_text("os.environ.get")
    expect_code(page, mine)
    page.get_by_role("button", name="Keep my code").click()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("Claude Sonnet 5.5")
    expect(conflict).to_have_count(0)
    choose(page, "Model", "Claude Haiku 5.5")
    generate(page)
    page.get_by_role("button", name="Use the form").click()
    expect(page.get_by_test_id("code")).to_contain_text('MODEL = "claude-haiku-5-5"')


def test_program_that_is_not_ours_changes_nothing_and_can_be_imported(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    fill(page, name="Untouched")
    open_file(page, FOREIGN, "adder.py")
    expect(page.get_by_text(re.compile("Can.t open adder.py"))).to_be_visible()
    expect(page.get_by_text("The file contains no agent: it imports neither")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Untouched")
    page.get_by_role("button", name="Import what is supported").click()
    report = page.get_by_role("group", name="Import report")
    expect(report).to_contain_text("WebSearchTool")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Adder")
    expect(section(page, "Tools")).to_contain_text("add")
    page.get_by_role("button", name="Greeter", exact=True).click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Greeter")
    expect(section(page, "Tools")).to_contain_text("None")
    page.get_by_role("button", name="Undo import").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Adder")


def test_yaml_spec_fills_the_form_and_what_has_no_field_is_named(page: Page, site: Serving) -> None:
    open_page(page, site)
    open_file(page, SPEC_FILE, "weather.yaml")
    expect(page.get_by_text("Opened weather.yaml")).to_be_visible()
    expect(page.get_by_text("Ignored promt: unknown field; did you mean prompt?")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Weather")
    expect(page.get_by_label("Example task")).to_have_value("")
    expect(section(page, "Tools")).to_contain_text("calculator")
    page.get_by_label("Example task").fill("Is it warm?")
    generate(page)
    expect(page.get_by_test_id("code")).to_contain_text("Be brief.")
    open_file(page, "name: Other\ntools: [", "broken.yaml")
    expect(page.get_by_text(re.compile("Can.t open broken.yaml"))).to_be_visible()
    expect(page.get_by_text("(line 2).")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Weather")


@pytest.mark.parametrize(
    ("name", "text", "lost"),
    [
        ("a.yaml", "model: my-own-model\n", ["my-own-model"]),
        ("a.yaml", "base_url: http://own:1/v1\nmodel: llama3\n", ["http://own:1/v1", "llama3"]),
        ("a.yaml", "provider: openai\nmodel: gpt-5\n", ["Ignored provider: ", "gpt-5"]),
        ("a.py", None, ["my-own-model"]),
    ],
)
@pytest.mark.matrix(keep=1)
def test_model_or_address_that_the_form_replaces_is_named(
    page: Page, site: Serving, name: str, text: str | None, lost: list[str]
) -> None:
    open_page(page, site)
    open_file(page, text or written(site).replace("claude-sonnet-5-5", "my-own-model"), name)
    expect(page.get_by_text(f"Opened {name}")).to_be_visible()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("Claude Sonnet 5.5")
    for value in lost:
        expect(page.get_by_text(value).first).to_be_visible()


def test_file_dropped_on_the_page_is_opened_and_what_is_no_text_is_refused(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    expect(page.get_by_role("button", name="Test Agent")).to_be_enabled()
    drop_file(page, written(site))
    expect(page.get_by_label("Name", exact=True)).to_have_value("Weather")
    expect(page.get_by_text("No manual edits found")).to_be_visible()
    bad: Any = {"name": "photo.py", "mimeType": "image/png", "buffer": b"\x89PNG\xff\0"}
    page.get_by_test_id("open-input").set_input_files([bad])
    expect(page.get_by_text(re.compile("Can.t read photo.py"))).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Weather")


@pytest.mark.matrix
def test_file_dropped_before_the_server_has_answered_is_opened_then(
    page: Page, site: Serving
) -> None:
    held = hold(page, "**/api/catalog")
    with page.expect_request("**/api/catalog"):
        open_page(page, site)
    drop_file(page, written(site))
    expect(page.get_by_text("Reading the file")).to_be_visible()
    held[0].continue_()
    expect(page.get_by_text("Opened dropped.py")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Weather")


@pytest.mark.matrix
def test_of_files_opened_one_after_the_other_the_last_stays(page: Page, site: Serving) -> None:
    held = hold(page, "**/api/read")
    open_page(page, site)
    with page.expect_request("**/api/read"):
        open_file(page, written(site, name="First"))
    with page.expect_request("**/api/read"):
        drop_file(page, written(site, name="Second"))
    expect(page.get_by_text("Opened dropped.py")).to_be_visible()
    let_go(page, held[0])
    expect(page.get_by_text("Opened mine.py")).to_be_hidden()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Second")


@pytest.mark.matrix
@pytest.mark.parametrize("button", ["Generate", "Test Agent"])
def test_file_opened_meanwhile_is_not_replaced_by_what_was_asked_for_before(
    page: Page, site: Serving, button: str
) -> None:
    held = hold(page, "**/api/generate")
    mine = with_helper(written(site))
    open_page(page, site)
    fill(page)
    with page.expect_request("**/api/generate"):
        page.get_by_role("button", name=button, exact=True).click()
    open_file(page, mine)
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    let_go(page, held[0])
    nothing_run = page.get_by_text("Another agent was loaded")
    expect(nothing_run).to_have_count(int(button == "Test Agent"))
    expect_code(page, mine)
    page.get_by_label("Example task").fill("Is it cold?")
    page.get_by_role("button", name="Regenerate").click()
    expect(page.get_by_test_id("code")).to_contain_text("Is it cold?")
    expect_code(page, mine.replace("Is it warm?", "Is it cold?"))


@pytest.mark.matrix
@pytest.mark.parametrize("button", ["Undo open", "Reset", "Discard my edits"])
def test_what_was_opened_is_said_only_while_the_form_has_it(
    page: Page, site: Serving, button: str
) -> None:
    open_page(page, site)
    open_file(page, with_helper(written(site)))
    opened = page.get_by_text("Opened mine.py")
    expect(opened).to_be_visible()
    if button == "Reset":
        page.get_by_label("Example task").fill("Is it cold?")
    page.get_by_role("button", name=button, exact=True).click()
    expect(opened).to_be_hidden()


def test_model_that_is_gone_is_changed_with_one_press_and_the_difference_shown(
    page: Page, site: Serving
) -> None:
    mine = with_helper(written(site, model="claude-3-5-haiku-20241022"))
    open_page(page, site)
    open_file(page, mine)
    expect(page.get_by_text("Retired by its provider on 2026-02-19")).to_be_visible()
    page.get_by_role("button", name="Change to Claude Haiku 5.5").click()
    difference = page.get_by_role("group", name="Difference")
    expect(difference).to_contain_text('-MODEL = "claude-3-5-haiku-20241022"')
    expect(difference).to_contain_text('+MODEL = "claude-haiku-5-5"')
    expect_code(page, mine.replace("claude-3-5-haiku-20241022", "claude-haiku-5-5"))
    expect(page.get_by_text("The form has changed since")).to_be_hidden()
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    assert text_of(page, "stdout").strip()


@pytest.mark.matrix
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_with_hand_written_parts_and_a_report(
    page: Page, site: Serving, scheme: str
) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    open_page(page, site)
    open_file(page, with_helper(written(site)))
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    assert axe(page) == []
    page.screenshot(path=SHOTS / f"opened-{scheme}-1280.png")
    open_file(page, FOREIGN, "adder.py")
    page.get_by_role("button", name="Import what is supported").click()
    expect(page.get_by_role("group", name="Import report")).to_be_visible()
    resize(page, 360, 780)
    assert axe(page) == []
    page.screenshot(path=SHOTS / f"imported-{scheme}-360.png", full_page=True)


@pytest.mark.matrix
def test_another_agent_inherits_no_file_and_the_result_says_that_it_is_of_the_one_before(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    page.get_by_test_id("files-input").set_input_files(
        {"name": "secret.txt", "mimeType": "text/plain", "buffer": b"mine"}
    )
    given = page.get_by_role("list", name="Files for the agent")
    expect(given).to_contain_text("secret.txt")
    spoil(page, DONE)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, "success")
    earlier = page.get_by_test_id("earlier")
    expect(earlier).to_have_count(0)
    page.get_by_role("button", name="Reset").click()
    expect(given).to_have_count(0)
    page.get_by_role("button", name="Undo reset").click()
    expect(given).to_contain_text("secret.txt")
    open_file(page, written(site))
    expect(page.get_by_text("Opened mine.py")).to_be_visible()
    expect(given).to_have_count(0)
    expect(earlier).to_be_visible()
    page.reload()
    expect(earlier).to_be_visible()
