"""What an agent can have beyond a prompt: tools, typed answers, options, hosts of a test."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Provider
from tests.e2e.driver import SHOTS, axe, boxes, choose, fill, generate, open_page, resize, section
from tests.support.serving import Serving
from tests.support.upstream import Answer, message

SECTIONS = ("Tools", "Typed answer", "Model options", "Conversation and limits", "MCP servers")


def write_tool(page: Page, code: str) -> Locator:
    page.get_by_role("button", name=re.compile("^Write your own")).click()
    field = page.get_by_label("Source of word_count")
    expect(field).to_be_focused()
    field.fill(code)
    return page.locator(".editor textarea").first


def test_sections_say_what_is_set_and_reach_the_file(page: Page, site: Serving) -> None:
    open_page(page, site)
    fill(page)
    expect(section(page, "Tools")).to_contain_text("None")
    section(page, "Tools").click()
    page.get_by_role("button", name="Add Calculator").click()
    expect(page.get_by_role("button", name=re.compile("^calculator"))).to_be_focused()
    write_tool(
        page, 'def double(x: int) -> str:\n    """Double a number."""\n    return str(2 * x)\n'
    )
    page.get_by_role("button", name="Move double up").click()
    expect(page.get_by_role("button", name="Move double up")).to_be_focused()
    expect(section(page, "Tools")).to_contain_text("double, calculator")
    section(page, "Typed answer").click()
    page.get_by_role("button", name="Start from an example").click()
    expect(section(page, "Typed answer")).to_contain_text("City")
    section(page, "Conversation").click()
    page.get_by_label("Turns").fill("7")
    generate(page)
    code = page.get_by_test_id("code")
    for text in ("def double(x: int) -> str:", "class City(BaseModel):", "MAX_TURNS = 7"):
        expect(code).to_contain_text(text)
    page.reload()
    expect(section(page, "Tools")).to_contain_text("double, calculator")
    expect(page.get_by_text("The form has changed since")).to_be_hidden()


def test_error_in_a_tool_opens_it_marks_its_line_and_takes_the_focus(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    fill(page)
    section(page, "Tools").click()
    write_tool(page, 'import json\n\n\ndef load(text) -> str:\n    """Load."""\n    return text\n')
    section(page, "Tools").click()
    generate(page)
    field = page.get_by_label("Source of load")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    message = page.locator(".code-error")
    expect(message).to_contain_text(re.compile(r"[Ll]ine \d"))
    line = re.search(r"[Ll]ine (\d+)", message.text_content() or "")
    assert line is not None
    expect(page.locator(".editor-numbers [data-bad]")).to_have_text(line[1])
    expect(section(page, "Tools")).to_have_attribute("aria-expanded", "true")


@pytest.mark.matrix
def test_tab_indents_while_writing_and_nobody_is_caught_in_the_field(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    section(page, "Typed answer").click()
    field = page.get_by_label("Pydantic model or JSON Schema")
    section(page, "Typed answer").press("Tab")
    expect(field).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Start from an example")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("class A:")
    page.keyboard.press("Enter")
    page.keyboard.type("x: int")
    page.keyboard.press("Tab")
    expect(field).to_have_value("class A:\n    x: int  ")
    page.keyboard.press("Control+z")
    expect(field).to_have_value("class A:\n    x: int")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Clear")).to_be_focused()


def test_option_that_another_model_lacks_is_taken_out_with_a_note(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    section(page, "Model options").click()
    choose(page, "Effort", "High")
    page.get_by_label("Max tokens").fill("20000")
    expect(section(page, "Model options")).to_contain_text("max 20,000 tokens, effort high")
    choose(page, "Model", "Claude Haiku 3.5")
    note = page.get_by_role("status").filter(has_text="so they were removed")
    expect(note).to_contain_text("effort “High”")
    expect(note).to_contain_text("Max tokens is now 8,192")
    expect(page.get_by_role("combobox", name="Effort")).to_have_count(0)
    generate(page)
    expect(page.get_by_test_id("code")).to_contain_text("MAX_TOKENS = 8192")


def test_hosts_are_asked_for_and_the_run_says_what_it_has_and_what_it_lacks(
    page: Page, provider: Provider
) -> None:
    provider.answer = Answer(headers={"Content-Type": "application/json"}, body=message("yes"))
    open_page(page, provider.server)
    fill(page)
    section(page, "Tools").click()
    page.get_by_role("button", name="Add Fetch").click()
    hosts = page.get_by_role("group", name="Allowed hosts")
    expect(hosts.get_by_role("listitem").filter(has_text="used by fetch_url")).to_have_count(1)
    expect(hosts).to_contain_text("Not allowed on this server: www.example.com:443")
    page.get_by_label("example.com:443 used by fetch_url").check()
    page.get_by_role("button", name="Test Agent").click()
    granted = page.get_by_test_id("granted")
    expect(granted).to_have_text("Allowed in this run: example.com:443")
    missing = page.get_by_test_id("missing")
    expect(missing).to_contain_text("fetch_url can't reach www.example.com:443 in this run")
    page.reload()
    expect(granted).to_have_text("Allowed in this run: example.com:443")


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_provider_tools_are_granted_by_the_name_that_errors_use(
    page: Page, provider: Provider, scheme: str
) -> None:
    provider.answer = Answer(headers={"Content-Type": "application/json"}, body=message("yes"))
    open_page(page, provider.server)
    fill(page)
    reach = page.get_by_role("group", name="Allowed hosts")
    tools = reach.get_by_role("checkbox", name="provider-tools: web search, images by URL")
    tools.check()
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width in (420, 1280):
        resize(page, width, 900)
        box, label = boxes(tools, reach.get_by_text("provider-tools:"))
        assert label["x"] > box["x"] + box["width"]
        assert label["y"] < box["y"] + box["height"] / 2 < label["y"] + label["height"]
        assert axe(page) == [], width
        reach.screenshot(path=SHOTS / f"reach-{scheme}-{width}.png")
    page.get_by_role("button", name="Test Agent").click()
    expect(page.get_by_test_id("granted")).to_have_text("Allowed in this run: provider-tools")


@pytest.mark.matrix
def test_tool_that_needs_what_no_test_gets_is_told_of(page: Page, site: Serving) -> None:
    open_page(page, site)
    expect(page.get_by_role("group", name="Allowed hosts")).to_have_count(0)
    section(page, "Tools").click()
    page.get_by_role("button", name="Add Fetch").click()
    hosts = page.get_by_role("group", name="Allowed hosts")
    expect(hosts).to_contain_text("Not allowed on this server: example.com:443")
    expect(hosts).to_contain_text("AGENT_BUILDER_EGRESS_ALLOW")
    page.get_by_role("button", name=re.compile("^Add Read")).click()
    expect(page.get_by_role("group", name="Files")).to_contain_text("read_file may need files")


@pytest.mark.matrix
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_with_every_section_open_at_any_width(
    page: Page, site: Serving, scheme: str
) -> None:
    open_page(page, site)
    for name in SECTIONS:
        section(page, name).click()
    page.get_by_role("button", name="Start from an example").click()
    page.get_by_role("button", name="Add a server").click()
    page.get_by_role("button", name="Add Calculator").click()
    write_tool(page, "def wrong(x):\n    return x\n")
    choose(page, "Model", "Claude Haiku 3.5")
    generate(page)
    expect(page.locator(".code-error").first).to_be_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width, height in ((360, 780), (1280, 900), (2560, 1300)):
        resize(page, width, height)
        assert axe(page) == [], width
        page.screenshot(path=SHOTS / f"sections-{scheme}-{width}.png", full_page=width == 360)
