"""The gateway's connections to providers: the environment's proxy and certificates."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from server.gateway.gateway import (
    Grant,
    tls_context,
)
from tests.support.gateway_client import KEY, ask, through
from tests.support.upstream import Answer, Received, message, scripted


@pytest.fixture
def tls_upstream(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return context, bundle


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_custom_certificates_are_trusted(
    tls_upstream: tuple[ssl.SSLContext, Path], variable: str
) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        return (await ask(session, grant))[0]

    context, bundle = tls_upstream
    with scripted(lambda _: Answer(body=message("hi")), tls=context) as upstream:
        trusting = {variable: str(bundle)}
        assert through(upstream.url, client, environ=trusting).result == 200
        assert through(upstream.url, client).result == 502


def test_bundle_that_is_not_one_names_its_variable(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nonsense")
    with pytest.raises(Exception, match="SSL_CERT_FILE"):
        tls_context({"SSL_CERT_FILE": str(broken)})


def proxied(received: list[Received]) -> Callable[[Received], Answer]:
    def script(request: Received) -> Answer:
        received.append(request)
        return Answer(body=message("by proxy"))

    return script


@pytest.mark.matrix
def test_calls_to_providers_go_through_the_proxy_of_the_environment(
    serve: Callable[..., Any],
) -> None:
    seen: list[Received] = []
    with scripted(proxied(seen)) as proxy:
        server = serve(
            HTTP_PROXY=proxy.url,
            HTTPS_PROXY=proxy.url,
            ANTHROPIC_API_KEY=KEY,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM="http://provider.example",
        )
        code = (
            "import os, urllib.request, anthropic\n"
            "print(anthropic.Anthropic().messages.create(model='m', max_tokens=5,"
            " messages=[{'role': 'user', 'content': 'x'}]).content[0].text)\n"
        )
        with server.client() as client:
            answer = client.post("/api/execute", json={"code": code, "task": "x"}).json()
    assert (answer["output"], answer["backend"]) == ("by proxy\n", "provider")
    assert seen[0].path == "http://provider.example/v1/messages"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
