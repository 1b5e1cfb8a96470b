"""Files in and out, and refusals explained, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.driver import (
    SHOTS,
    axe,
    expect_status,
    fill,
    open_page,
    resize,
    spoil,
    text_of,
)
from tests.support.serving import Serving

READ_AND_WRITE = (
    "import os\n"
    "print(open('data.csv').read(), os.path.getsize('raw.bin'))\n"
    "os.mkdir('out')\n"
    "open('out/report 1.html', 'w').write('<script>alert(1)</script>')\n"
    "open('sum.txt', 'w').write('3')\n"
    "os.symlink('/', 'link')\n"
)
DATA: Any = {"name": "data.csv", "mimeType": "text/csv", "buffer": "größe,1".encode()}
RAW: Any = {"name": "raw.bin", "mimeType": "application/octet-stream", "buffer": b"\0\xff\0"}


def add(page: Page, *files: Any) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Add files").click()
    chooser.value.set_files(list(files))


def run(page: Page, code: str, status: str) -> None:
    spoil(page, code)
    fill(page)
    page.get_by_role("button", name="Test Agent").click()
    expect_status(page, status)


def test_given_files_are_there_and_written_ones_are_downloaded(page: Page, site: Serving) -> None:
    open_page(page, site)
    expect(page.get_by_role("list", name="Files for the agent")).to_have_count(0)
    add(page, DATA, RAW)
    given = page.get_by_role("list", name="Files for the agent")
    expect(given.get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_text("2 of 64 files, 12 bytes of 4 MiB")).to_be_visible()
    run(page, READ_AND_WRITE, "success")
    assert text_of(page, "stdout") == "größe,1 3\n"
    written = page.get_by_role("group", name="Files the agent wrote")
    expect(written.get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_text("Not returned: links and special files (1).")).to_be_visible()
    with page.expect_download() as download:
        written.get_by_role("link", name="Download out/report 1.html").click()
    assert download.value.suggested_filename == "report 1.html"
    assert Path(download.value.path()).read_text("utf-8") == "<script>alert(1)</script>"
    page.reload()
    expect(page.get_by_role("link", name="Download sum.txt")).to_be_visible()


def test_file_is_removed_by_keyboard_and_focus_stays_near(page: Page, site: Serving) -> None:
    open_page(page, site)
    add(page, DATA, RAW)
    page.get_by_role("button", name="Remove data.csv").press("Enter")
    expect(page.get_by_role("listitem").filter(has_text="data.csv")).to_have_count(0)
    expect(page.get_by_role("button", name="Add files")).to_be_focused()
    page.get_by_role("button", name="Remove raw.bin").press("Space")
    expect(page.get_by_role("list", name="Files for the agent")).to_have_count(0)


def test_file_that_can_not_be_given_is_named_with_the_reason(page: Page, site: Serving) -> None:
    open_page(page, site)
    add(page, {**RAW, "buffer": bytes(4 * 1024 * 1024 + 1)}, {**DATA, "name": "agent.py"}, DATA)
    problem = page.get_by_role("alert").filter(has_text="Not added")
    expect(problem).to_contain_text("raw.bin exceeds the limit of 4 MiB in total")
    expect(problem).to_contain_text("agent.py is a reserved name")
    expect(page.get_by_role("button", name="Remove data.csv")).to_be_visible()


def test_files_are_dropped_on_the_form(page: Page, site: Serving) -> None:
    open_page(page, site)
    transfer = page.evaluate_handle(
        "() => { const t = new DataTransfer(); t.items.add(new File(['x'], 'dropped.txt'));"
        " return t; }"
    )
    page.get_by_role("group", name="Files").dispatch_event("drop", {"dataTransfer": transfer})
    expect(page.get_by_role("button", name="Remove dropped.txt")).to_be_visible()


def test_refusal_is_explained_under_the_output_and_can_not_be_forged(
    page: Page, site: Serving
) -> None:
    open_page(page, site)
    code = "import urllib.request\nurllib.request.urlopen('https://example.com')"
    run(page, f"print('before')\n{code}", "error")
    denied = page.get_by_test_id("denied")
    expect(denied).to_contain_text("The sandbox has no network; only the model API is reachable")
    expect(denied).to_contain_text("example.com:443")
    assert "The sandbox has no network" not in text_of(page, "stdout") + text_of(page, "stderr")
    page.unroute("**/api/generate")
    page.get_by_label("Name", exact=True).fill("Another")
    spoil(page, "print('denied: the sandbox has no network')\nraise SystemExit(1)")
    page.get_by_role("button", name="Test Agent").click()
    expect(page.get_by_test_id("stdout")).to_contain_text("denied:")
    expect_status(page, "error")
    expect(denied).to_have_count(0)


@pytest.mark.matrix
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_with_files_and_a_refusal_at_any_width(
    page: Page, site: Serving, scheme: str
) -> None:
    open_page(page, site)
    add(
        page, DATA, RAW, {**DATA, "name": "a-rather-long-name-of-a-file-with-measurements-2026.csv"}
    )
    expect(page.get_by_role("button", name="Remove a-rather-long-name")).to_be_visible()
    run(page, f"{READ_AND_WRITE}open('/data/measurements.csv')\n", "error")
    expect(page.get_by_test_id("denied")).to_be_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    for width, height in ((360, 780), (1280, 900), (2560, 1300)):
        resize(page, width, height)
        assert axe(page) == [], width
        page.screenshot(path=SHOTS / f"files-{scheme}-{width}.png", full_page=width == 360)
