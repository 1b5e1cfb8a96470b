"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.serving import Serving, start_server
from tests.support.upstream import Answer, Upstream, scripted

# Without the parts of the browser around its pages, a page costs a quarter of the processor time.
BROWSERS = ("chromium-headless-shell", "chromium")
ARGUMENTS = [
    "--no-sandbox",  # it runs as root in CI
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return a browser; a missing one fails the tests, `make test` installs it.

    Not for the session: while Playwright is there, its event loop is the process's running one,
    and tests of other packages want loops of their own.
    """
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "chromium is missing: run `make test`, which installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def scheme() -> str:
    """Return the colours that the reader's system asks for; tests of both name it themselves."""
    return "light"


@pytest.fixture
def page(browser: Browser, scheme: str) -> Iterator[Page]:
    """Return a page with a context of its own; an error in its console fails the test."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def site(server: Serving) -> Serving:
    """Return a server with default settings, whose local model logs what it says."""
    return server


@dataclass
class Provider:
    """A scripted provider, and a server that asks it once `set_key` has been called."""

    server: Serving
    upstream: Upstream
    answer: Answer = field(default_factory=Answer)
    """What it answers; each test says its own."""

    def set_key(self) -> None:
        """Give the server a key, as its owner does."""
        (self.server.folder / ".env").write_text("ANTHROPIC_API_KEY=canary-key-42\n")

    def take_key(self) -> None:
        """Take the key away."""
        (self.server.folder / ".env").unlink(missing_ok=True)


@pytest.fixture(scope="package")
def shared_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Return the one that tests share, as a server takes seconds to start; see `provider`."""
    with scripted(lambda _: shared.answer) as upstream:
        server = start_server(
            tmp_path_factory.mktemp("provider"),
            AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
            AGENT_BUILDER_EGRESS_ALLOW="provider-tools,api.example.com:443,example.com:443",
            AGENT_BUILDER_RUN_BUDGET_USD="0.1",
            AGENT_BUILDER_PRELOAD="1",
        )
        shared = Provider(server, upstream)
        yield shared
        server.stop()


@pytest.fixture
def keyless(shared_provider: Provider) -> Iterator[Provider]:
    """Return a scripted provider whose server has no key yet."""
    shared_provider.upstream.received.clear()
    yield shared_provider
    shared_provider.take_key()


@pytest.fixture
def provider(keyless: Provider) -> Provider:
    """Return a scripted provider whose server has its key."""
    keyless.set_key()
    return keyless
