"""Record and replay: same agent, no key, no network, the same answers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.errors import SpecError
from llm_agent_builder.providers import ProviderEnum
from server.gateway.cassette import parse_cassette
from server.gateway.gateway import Grant
from server.gateway.recorder import Recorder
from server.gateway.replayer import describe_difference
from tests.support.api_client import SPEC, execute, fields
from tests.support.gateway_client import KEY, ask, asking, bearer, through
from tests.support.serving import ServerFactory, call
from tests.support.upstream import Answer, Received, message, message_events, scripted

SSE = {"Content-Type": "text/event-stream"}
NOWHERE = "http://127.0.0.1:9"


def recorded_from(upstream: str, client: Any, **options: Any) -> Any:
    """Return what a client got, and the cassette of its calls."""

    async def both(session: aiohttp.ClientSession, grant: Grant) -> Any:
        result = await client(session, grant)
        return result, json.loads(grant.recorded() or "null")

    return through(upstream, both, record=lambda: [KEY], **options).result


async def chunks_of(session: aiohttp.ClientSession, grant: Grant) -> list[bytes]:
    body = asking(stream=True)
    async with session.post("/v1/messages", json=body, headers=bearer(grant)) as answer:
        found: list[bytes] = []
        async for piece, ends in answer.content.iter_chunks():
            found = [*found[:-1], found[-1] + piece] if found and not ends else [*found, piece]
        return found


def test_replayed_stream_has_the_recorded_chunks_and_its_tokens() -> None:
    with scripted(
        lambda _: Answer(headers=SSE, chunks=message_events("a", "b"), pause=0.01)
    ) as upstream:
        original, cassette = recorded_from(upstream.url, chunks_of)
    recorded = cassette["calls"][0]["response"]["chunks"]
    assert list(filter(None, recorded)) == [chunk.decode() for chunk in original if chunk]
    for _ in range(2):
        seen = through(NOWHERE, chunks_of, replay=parse_cassette(cassette))
        assert b"".join(seen.result) == b"".join(original)
        assert seen.calls[0]["backend"] == "replay"
        assert seen.calls[0]["gen_ai.usage.output_tokens"] == 5
        assert seen.calls[0]["cost_usd"] is None


def test_neither_key_nor_token_is_in_a_cassette_even_where_they_were_echoed() -> None:
    tokens: list[str] = []

    def script(request: Received) -> Answer:
        key = request.headers["authorization"].encode()
        return Answer(chunks=[b'{"echo": "' + key[:20], key[20:] + b'"}', request.body])

    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        tokens.append(grant.token.reveal())
        return await ask(session, grant, json=asking(system=f"my key is {tokens[0]}"))

    with scripted(script) as upstream:
        _, cassette = recorded_from(upstream.url, client)
    text = json.dumps(cassette)
    assert KEY not in text
    assert tokens[0] not in text
    assert text.count("[removed]") >= 3


def test_error_and_its_retry_after_are_replayed() -> None:
    headers = {"retry-after": "7", "Content-Type": "application/json", "Set-Cookie": "a=b"}
    with scripted(lambda _: Answer(429, headers, b"{}")) as upstream:
        _, cassette = recorded_from(upstream.url, ask)
    recorded = cassette["calls"][0]["response"]
    assert recorded["headers"] == {"retry-after": "7", "content-type": "application/json"}
    assert through(NOWHERE, ask, replay=parse_cassette(cassette)).result == (429, b"{}")


def test_answer_that_broke_off_breaks_off_again() -> None:
    cut = Answer(headers=SSE, chunks=message_events("a")[:1], cut=True)

    async def client(session: aiohttp.ClientSession, grant: Grant) -> str:
        try:
            await ask(session, grant)
        except aiohttp.ClientError as error:
            return type(error).__name__
        return "whole"

    with scripted(lambda _: cut) as upstream:
        first, cassette = recorded_from(upstream.url, client)
    again = through(NOWHERE, client, replay=parse_cassette(cassette)).result
    assert "whole" not in {first, again}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_tokens": 7}, "body.max_tokens is 7 (recorded: 100)"),
        ({"system": "x"}, 'body.system is new: "x"'),
        ({"k" * 9999: 1}, f"call 1: body.{'k' * 300}"),
        (
            {"messages": [{"role": "user", "content": "hello"}]},
            'body.messages[0].content is "hello" (recorded: "hi")',
        ),
    ],
)
def test_request_that_does_not_match_is_an_error_with_the_difference(
    change: dict[str, Any], said: str
) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        return await ask(session, grant, json=asking(**change))

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        _, cassette = recorded_from(upstream.url, ask)
    seen = through(NOWHERE, client, replay=parse_cassette(cassette))
    status, body = seen.result
    assert status == 400
    assert said in json.loads(body)["error"]["message"]
    assert len(body) < 600
    assert seen.calls[0]["error.type"] == "replay_mismatch"


def test_each_recorded_call_is_answered_once() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[bytes]:
        return [(await ask(session, grant))[1] for _ in range(3)]

    answers = iter([message("one"), message("two"), message("three")])

    async def two(session: aiohttp.ClientSession, grant: Grant) -> Any:
        return [await ask(session, grant) for _ in range(2)]

    with scripted(lambda _: Answer(body=next(answers))) as upstream:
        _, cassette = recorded_from(upstream.url, two)
    first, second, third = through(NOWHERE, client, replay=parse_cassette(cassette)).result
    assert (first, second) == (message("one"), message("two"))
    assert b"the recording has only 2 calls, and this is an additional one" in third


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(values, values)
def test_every_difference_is_described(recorded: Any, asked: Any) -> None:
    if recorded != asked:
        assert describe_difference(recorded, asked, "body").startswith("body")


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_any_bytes_are_replayed_unchanged(chunks: list[bytes]) -> None:
    recorder = Recorder(lambda: [])
    recording = recorder.start(ProviderEnum.ANTHROPIC, "POST", "/v1/messages", b"")
    recording.begin(200, {})
    for chunk in chunks:
        recording.add(chunk)
    recording.end(cut=False)
    [call] = parse_cassette(json.loads(recorder.cassette() or "null")).calls
    assert list(call.response.chunks) == chunks


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"format": 2},
        {"calls": [{"provider": "x"}]},
        {
            "calls": [
                {
                    "provider": "anthropic",
                    "request": {"method": "POST", "path": "/"},
                    "response": {"status": 200, "headers": {}, "chunks": [{"base64": "?"}]},
                }
            ]
        },
    ],
)
def test_invalid_cassette_is_refused_with_its_location(data: object) -> None:
    with pytest.raises(SpecError, match="replay: not a cassette"):
        parse_cassette(data)


# ---------------------------------------------------------------- the whole product


def test_run_is_recorded_and_replayed_over_http_without_a_key(
    serve: ServerFactory, client: httpx.Client
) -> None:
    with scripted(lambda _: Answer(headers=SSE, chunks=message_events("Bon", "jour"))) as upstream:
        server = serve(ANTHROPIC_API_KEY=KEY, AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url)
        with server.client() as paid:
            code = paid.post("/api/generate", json={**SPEC, "stream": True}).json()["code"]
            first = execute(paid, code, record=True)
            recorded = paid.get(f"/api/runs/{first['run_id']}/cassette").json()
            plain = execute(paid, "print(1)")
            missing = paid.get(f"/api/runs/{plain['run_id']}/cassette")
    assert first["cassette"] == recorded
    assert KEY not in json.dumps(recorded)
    assert (missing.status_code, plain["cassette"]) == (404, None)
    again = execute(client, code, replay=recorded)
    differs = execute(client, code, task="Say bye.", replay=recorded)
    bad = client.post("/api/execute", json={"code": code, "task": "x", "replay": {"calls": 1}})
    assert (again["stdout"], again["backend"]) == ("Bonjour\n", "replay")
    assert again["usage"]["output_tokens"] == first["usage"]["output_tokens"] == 5
    assert differs["status"] == "error"
    assert differs["reason"].startswith("replay: this call differs from recorded call 1: body.mess")
    assert 'is "Say bye." (recorded: ' in differs["reason"]
    assert "not a cassette" in fields(bad)["replay"]


def test_run_on_the_local_model_is_replayed_where_there_is_none(client: httpx.Client) -> None:
    code = client.post("/api/generate", json=SPEC).json()["code"]
    first = execute(client, code, task=SPEC["task"], record=True)
    again = execute(client, code, task=SPEC["task"], replay=first["cassette"])
    assert (again["status"], again["stdout"]) == ("success", first["stdout"])


@pytest.mark.matrix
def test_command_line_records_to_a_file_and_replays_from_it(
    serve: ServerFactory, tmp_path: Path
) -> None:
    code = (
        "import anthropic\n"
        "print(anthropic.Anthropic().messages.create(model='claude-sonnet-5-5', max_tokens=9,"
        " messages=[{'role': 'user', 'content': 'x'}]).content[0].text)\n"
    )
    (tmp_path / "agent.py").write_text(code)

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return call(tmp_path, "run", "agent.py", "--task", "x", *arguments, **environ)

    with scripted(lambda _: Answer(body=message("on tape"))) as upstream:
        first = run(
            "--record",
            "tape.json",
            ANTHROPIC_API_KEY=KEY,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
        )
    assert (first.returncode, first.stdout) == (0, "on tape\n"), first.stderr
    assert "1 model call; 3 tokens in, 5 out; $0.000056" in first.stderr
    again = run("--replay", "tape.json")
    assert (again.returncode, again.stdout) == (0, "on tape\n"), again.stderr
    assert "a recording" in again.stderr
    (tmp_path / "tape.json").write_text("nonsense")
    assert run("--replay", "tape.json").returncode == 2
