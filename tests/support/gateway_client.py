"""Helpers to send calls through a gateway to an upstream, like a run's client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts, read_request
from server.gateway.gateway import Gateway, Grant, ModelCall, Upstream
from server.gateway.request_reader import RequestReader
from server.gateway.timeouts import Timeouts
from server.net.upstreams import Policy
from server.secret import Secret

KEY = "canary-key-" + "42"
MODEL = "claude-sonnet-5-5"
Client = Callable[[aiohttp.ClientSession, Grant], Awaitable[Any]]


@dataclass
class Seen:
    """The result of the client."""

    result: Any = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    """The data of their `model_call` events."""
    model_calls: list[ModelCall] = field(default_factory=list)
    events: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def through(upstream: str | Policy, client: Client, *, key: str = KEY, **options: Any) -> Seen:
    """Open a grant for `upstream`, call `client` with it; return its result and the events.

    `key` is for an upstream given by its address.
    """
    seen = Seen()
    timeouts = options.pop("timeouts", Timeouts())
    reader = options.pop("reader", None) or RequestReader()
    environ = options.pop("environ", {})

    async def to_address(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", str(upstream), Secret(key))

    policy = to_address if isinstance(upstream, str) else upstream

    def on_event(kind: str, data: Mapping[str, str]) -> None:
        seen.events.append((kind, dict(data)))

    def on_call(call: ModelCall) -> None:
        seen.calls.append(call.to_wire())
        seen.model_calls.append(call)

    async def inside() -> None:
        gateway = Gateway(environ=environ, timeouts=timeouts, reader=reader)
        await gateway.start()
        grant = await gateway.open(policy, on_call, on_event=on_event, **options)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{grant.port}") as session:
                seen.result = await client(session, grant)
        finally:
            await grant.close()
            await gateway.close()

    asyncio.run(inside())
    return seen


def bearer(grant: Grant) -> dict[str, str]:
    """Return the relevant headers of Anthropic's SDK."""
    return {"Authorization": f"Bearer {grant.token.reveal()}", "anthropic-version": "2023-06-01"}


def asking(**more: Any) -> dict[str, Any]:
    """Return the body of a small call."""
    messages = [{"role": "user", "content": "hi"}]
    return {"model": MODEL, "max_tokens": 100, "messages": messages, **more}


def facts_of(body: bytes, provider: ProviderEnum = ProviderEnum.ANTHROPIC) -> RequestFacts:
    """Return the facts about a request."""
    steps = read_request(provider, body)
    while True:
        try:
            next(steps)
        except StopIteration as read:
            found: RequestFacts = read.value
            return found


async def ask(session: aiohttp.ClientSession, grant: Grant, **options: Any) -> tuple[int, bytes]:
    """Make one Anthropic call and read its response."""
    options = {"json": asking(), "headers": bearer(grant), **options}
    async with session.post("/v1/messages", **options) as answer:
        return answer.status, await answer.read()


async def eventually(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Return the first true value of `condition`; fail if it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in time")
