"""Hostile cassettes are refused with the location, or replayed without an error of the server."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from llm_agent_builder.errors import SpecError
from llm_agent_builder.providers import ProviderEnum
from server.gateway import gateway
from server.gateway.cassette import CASSETTE_MAX_CALLS, Cassette, parse_cassette
from server.gateway.gateway import Grant
from server.gateway.recorder import Recorder
from server.gateway.replayer import MismatchError, Replayer
from tests.support.api_client import execute, fields
from tests.support.gateway_client import KEY, asking, bearer, through
from tests.support.serving import call as command_line

PROGRAM = {"code": "print(1)", "task": "x"}
CHAT = "/v1/messages"


def recorded(chunks: Any = (), **more: Any) -> dict[str, Any]:
    """Return a call, with other values where they are given as `part__name`."""
    found: dict[str, Any] = {
        "provider": "anthropic",
        "request": {"method": "POST", "path": CHAT, "body": {"model": "x"}},
        "response": {"status": 200, "headers": {}, "chunks": list(chunks)},
    }
    for name, value in more.items():
        part, _, inner = name.partition("__")
        if inner:
            found[part][inner] = value
        else:
            found[part] = value
    return found


def tape(*calls: Any, **more: Any) -> dict[str, Any]:
    return {"format": 1, "calls": list(calls), **more}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


BAD: dict[str, tuple[Any, str]] = {
    "text": ("x", ""),
    "calls are a number": ({"calls": 1}, "calls"),
    "calls are an object": ({"calls": {}}, "calls"),
    "a call is null": (tape(None), "calls.0"),
    "second call": (tape(recorded(), {}), "calls.1.provider"),
    "format 1.0": (tape(format=1.0), "format"),
    "format true": (tape(format=True), "format"),
    "format 2": (tape(format=2), "format"),
    "unknown key": (tape(more=1), "more"),
    "provider": (tape(recorded(provider="x")), "calls.0.provider"),
    "method": (tape(recorded(request__method="BREW")), "calls.0.request"),
    "path": (tape(recorded(request__path="/etc/passwd")), "calls.0.request"),
    "path of a number": (tape(recorded(request__path=1)), "calls.0.request.path"),
    "path with a surrogate": (tape(recorded(request__path="\ud800")), "calls.0.request.path"),
    "status -1": (tape(recorded(response__status=-1)), "calls.0.response.status"),
    "status 100": (tape(recorded(response__status=100)), "calls.0.response.status"),
    "status 1000": (tape(recorded(response__status=1000)), "calls.0.response.status"),
    "status 200.0": (tape(recorded(response__status=200.0)), "calls.0.response.status"),
    "status text": (tape(recorded(response__status="200")), "calls.0.response.status"),
    "status true": (tape(recorded(response__status=True)), "calls.0.response.status"),
    "status 204 with a body": (tape(recorded(["x"], response__status=204)), "calls.0.response"),
    "status 304 with a body": (tape(recorded(["x"], response__status=304)), "calls.0.response"),
    "cut": (tape(recorded(response__cut="yes")), "calls.0.response.cut"),
    "headers list": (tape(recorded(response__headers=[])), "calls.0.response.headers"),
    "header of a number": (
        tape(recorded(response__headers={"content-type": 1})),
        "calls.0.response.headers",
    ),
    "header with a line": (
        tape(recorded(response__headers={"content-type": "a\r\nb: c"})),
        "calls.0.response.headers",
    ),
    "other header with a line": (
        tape(recorded(response__headers={"x-other": "a\nb: c"})),
        "calls.0.response.headers",
    ),
    "header whose name has a line": (
        tape(recorded(response__headers={"a\nb": "c"})),
        "calls.0.response.headers",
    ),
    "header with other letters": (
        tape(recorded(response__headers={"request-id": "\u20ac"})),
        "calls.0.response.headers",
    ),
    "header with a surrogate": (
        tape(recorded(response__headers={"retry-after": "\ud800"})),
        "calls.0.response.headers",
    ),
    "many headers": (
        tape(recorded(response__headers={f"x{n}": "" for n in range(101)})),
        "calls.0.response.headers",
    ),
    "chunks text": (tape(recorded(response__chunks="abc")), "calls.0.response.chunks"),
    "chunk of a number": (tape(recorded([1])), "calls.0.response.chunks.0"),
    "chunk null": (tape(recorded(["", None])), "calls.0.response.chunks.1"),
    "chunk with a surrogate": (tape(recorded(["\ud800"])), "calls.0.response.chunks.0"),
    "chunk empty object": (tape(recorded([{}])), "calls.0.response.chunks.0"),
    "chunk with more": (
        tape(recorded([{"base64": "", "x": 1}])),
        "calls.0.response.chunks.0",
    ),
    "base64 of nonsense": (tape(recorded([{"base64": "?"}])), "calls.0.response.chunks.0"),
    "base64 of other letters": (
        tape(recorded([{"base64": "\u00e9AAA"}])),
        "calls.0.response.chunks.0",
    ),
    "base64 with a surrogate": (
        tape(recorded([{"base64": "\ud800"}])),
        "calls.0.response.chunks.0",
    ),
    "base64 of a number": (tape(recorded([{"base64": 1}])), "calls.0.response.chunks.0"),
    "too many calls": (tape(*[recorded()] * (CASSETTE_MAX_CALLS + 1)), "calls"),
}


@pytest.mark.parametrize(("replay", "place"), BAD.values(), ids=BAD.keys())
def test_bad_cassette_is_422_with_its_location(
    client: httpx.Client, replay: Any, place: str
) -> None:
    for route in ("/api/execute", "/api/runs"):
        body = json.dumps({**PROGRAM, "replay": replay})  # escaped, as httpx would not
        answer = client.post(route, content=body, headers={"Content-Type": "application/json"})
        [said] = fields(answer).values()
        assert said.startswith("not a cassette: " + (f"{place}: " if place else "")), said
        assert len(said) < 300


def test_cassette_that_is_too_deep_is_422(client: httpx.Client) -> None:
    for levels in (98, 5000):
        body = '{"code": "", "task": "", "replay": {"calls": [' + "[" * levels + "]" * levels
        answer = client.post(
            "/api/execute",
            content=(body + "]}}").encode(),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 422


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "is not JSON"),
        ('{"calls": [NaN]}', "NaN is not a JSON value"),
        ("[" * 100_000, "more than 100 lists"),
        ('{"calls": [0]}', "--replay: not a cassette: calls.0: must be a mapping of fields"),
        (
            json.dumps(tape(recorded(["\ud800"]))),
            "--replay: not a cassette: calls.0.response.chunks.0: has lone surrogates",
        ),
        (json.dumps(tape(format=1.0)), "--replay: not a cassette: format: "),
    ],
)
def test_command_line_refuses_a_bad_cassette_with_its_location(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "agent.py").write_text("print(1)")
    (tmp_path / "tape.json").write_text(text)
    done = command_line(tmp_path, "run", "agent.py", "--task", "x", "--replay", "tape.json")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_may_make_as_many_calls_as_a_cassette_may_have() -> None:
    assert gateway.MAX_CALLS == CASSETTE_MAX_CALLS


# ---------------------------------------------------------------- replay


def replayed(cassette: Any, body: bytes | None = None) -> Any:
    """Return how a call is answered from a cassette: status, body or how it broke off."""

    async def client(session: aiohttp.ClientSession, grant: Grant) -> Any:
        data = json.dumps({"model": "x"}).encode() if body is None else body
        async with session.post(CHAT, data=io.BytesIO(data), headers=bearer(grant)) as answer:
            try:
                return answer.status, await answer.read()
            except aiohttp.ClientError as error:
                return answer.status, type(error).__name__

    return through("http://127.0.0.1:9", client, replay=parse_cassette(cassette))


HOSTILE = {
    "status 204": recorded([""], response__status=204),
    "status 304": recorded([], response__status=304),
    "status 299": recorded(["x"], response__status=299),
    "status 599": recorded(["x"], response__status=599),
    "content length": recorded(["x"], response__headers={"Content-Length": "5"}),
    "transfer encoding": recorded(["x"], response__headers={"Transfer-Encoding": "chunked"}),
    "connection": recorded(["x"], response__headers={"connection": "upgrade"}),
    "no gzip": recorded(["x"], response__headers={"content-encoding": "gzip"}),
    "no such encoding": recorded(["x"], response__headers={"content-encoding": "x, y"}),
    "no such type": recorded(["x"], response__headers={"content-type": ";;;"}),
    "stream of nonsense": recorded(
        ["data: [" * 1000, "\n\n", "data: {}\n\n"],
        response__headers={"content-type": "text/event-stream"},
    ),
    "json of brackets": recorded(
        ["[" * 10_000], response__headers={"content-type": "application/json"}
    ),
    "empty chunks": recorded(["", "", {"base64": ""}]),
    "cut at once": recorded([], response__cut=True),
}


@pytest.mark.parametrize("call", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_recording_causes_no_error_in_the_gateway(call: dict[str, Any]) -> None:
    seen = replayed(tape(call))
    assert seen.result[0] == call["response"]["status"]
    [event] = seen.calls
    assert event["error.type"] != "gateway_failed"
    assert event["backend"] == "replay"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b'{"a":' * 10_000,
        b"[" + b"0," * 400_000 + b"0]",
        b"9" * 100_000,
        b"NaN",
        b'"\\ud800"',
        b"\xff\xfe",
        json.dumps(["\ud800"]).encode(),
        b'{"model": "y' + b"\xf0\x9f\x98\x80" * 300_000 + b'"}',
        b'{"model": "x"}' * 700_000,
    ],
    ids=range(11),
)
def test_hostile_request_to_a_recording_is_refused_with_the_reason(body: bytes) -> None:
    seen = replayed(tape(recorded()), body)
    status, answer = seen.result
    assert status == 400
    message = json.loads(answer)["error"]["message"]
    reasons = {
        "replay_mismatch": "replay: this call differs from recorded call 1: body",
        "invalid_request_error": "this request is not forwarded: ",  # not even compared
    }
    assert message.startswith(reasons[seen.calls[0]["error.type"]])
    assert len(message) < 500


def answer_all(cassette: Cassette, *bodies: bytes) -> list[Any]:
    """Return the chunks that requests are answered with, or what is said of them."""

    async def inside() -> list[Any]:
        replayer = Replayer(cassette, lambda: "hf_run_token")
        found: list[Any] = []
        for body in bodies:
            try:
                found.append((await replayer.answer("POST", CHAT, body)).chunks[0])
            except MismatchError as error:
                found.append(str(error))
        return found

    return asyncio.run(inside())


def test_calls_are_found_in_any_order_and_equal_ones_in_recorded_order() -> None:
    calls = [recorded([str(n)], request__body={"n": n // 2, "m": [1]}) for n in range(2000)]
    cassette = parse_cassette(json.loads(json.dumps(tape(*calls))))
    backwards = [json.dumps({"m": [1], "n": n}).encode() for n in reversed(range(1000))]
    assert answer_all(cassette, *backwards, *backwards) == [
        str(2 * n + more).encode() for more in (0, 1) for n in reversed(range(1000))
    ]


def test_long_request_is_found_as_it_was_recorded_as_text_or_as_json() -> None:
    body = json.dumps(asking(system="x\u00e9" * 2**20), ensure_ascii=False).encode()
    assert len(body) > 2**20
    as_text = recorded(["text"], request__body=body.decode())
    as_json = recorded(["json"], request__body=json.loads(body))
    for call in (as_text, as_json):
        assert answer_all(parse_cassette(tape(call)), body) == [
            call["response"]["chunks"][0].encode()
        ]


def test_only_the_first_mismatches_of_a_run_are_described() -> None:
    said = answer_all(parse_cassette(tape(recorded())), *[b"1"] * 25)
    assert [": body is 1" in each for each in said] == [True] * 20 + [False] * 5


def test_recorded_request_is_stored_as_bytes() -> None:
    [call] = parse_cassette(tape(recorded(["a", {"base64": "/w=="}], request__body=deep(60)))).calls
    assert call.request.body == b"[" * 60 + b"1" + b"]" * 60
    assert call.response.chunks == (b"a", b"\xff")


# ---------------------------------------------------------------- record


def filled(recorder: Recorder, give: Callable[[Recorder], None], times: int = 200) -> int:
    """Record the same thing repeatedly; return the largest number of recorded bytes."""
    most = 0
    for _ in range(times):
        give(recorder)
        most = max(most, recorder.recorded_bytes)
    return most


def whole_call(recorder: Recorder, body: bytes = b"", chunks: list[bytes] | None = None) -> None:
    recording = recorder.start(ProviderEnum.ANTHROPIC, "POST", CHAT, body)
    recording.begin(200, {})
    for chunk in chunks or []:
        recording.add(chunk)
    recording.end(cut=False)


GIVEN: dict[str, Callable[[Recorder], None]] = {
    "requests": lambda recorder: whole_call(recorder, b"x" * 1000),
    "requests that are refused": lambda recorder: (
        recorder.start(ProviderEnum.ANTHROPIC, "POST", CHAT, b"x" * 1000),
        None,
    )[1],
    "four bytes a letter": lambda recorder: whole_call(recorder, "\U0001f600".encode() * 100),
    "chunks that are no text": lambda recorder: whole_call(recorder, b"", [b"\xff" * 1000]),
    "nothing": whole_call,
    "tiny chunks": lambda recorder: whole_call(recorder, b"", [b"x"] * 100),
    "large chunk": lambda recorder: whole_call(recorder, b"", [b"x" * 30_000]),
    "long path": lambda recorder: (
        recorder.start(ProviderEnum.ANTHROPIC, "POST", CHAT + "?" + "x" * 1000, b""),
        None,
    )[1],
}


@pytest.mark.parametrize("give", GIVEN.values(), ids=GIVEN.keys())
def test_recording_never_exceeds_its_limit_and_is_dropped_beyond(
    give: Callable[[Recorder], None],
) -> None:
    heard: list[int] = []
    recorder = Recorder(lambda: ["secret"], lambda: heard.append(1), max_bytes=20_000)
    under_way = recorder.start(ProviderEnum.ANTHROPIC, "POST", CHAT, b"{}")
    under_way.begin(200, {})
    under_way.add(b"early")
    assert filled(recorder, give) <= 20_000
    assert (recorder.is_full, recorder.recorded_bytes, heard) == (True, 0, [1])
    under_way.add(b"x")
    under_way.end(cut=False)
    assert (recorder.recorded_bytes, recorder.cassette()) == (0, None)


def test_cassette_that_is_too_large_as_json_is_left_out() -> None:
    fits, larger = (Recorder(lambda: [], max_bytes=50_000) for _ in range(2))
    whole_call(fits, b"x" * 8_000, [b"y" * 30_000])
    whole_call(larger, b"x" * 8_000, [b"\x01" * 30_000])
    assert 38_000 < len(fits.cassette() or "") < 40_000
    assert not larger.is_full
    assert larger.cassette() is None


def test_requests_of_all_kinds_are_recorded_as_json_or_as_text() -> None:
    recorder = Recorder(lambda: [])
    for body in (b"", b"{}", b'{"a": "\xc3\xa9"}', b"[[", b"\xff", b"\x01" * 50, b"x" * 2**21):
        whole_call(recorder, body, [b"a", b"\xff", b"\x01" * 20])
    text = recorder.cassette() or ""
    assert [call.request.body[:5] for call in parse_cassette(json.loads(text)).calls][:3] == [
        b"null",
        b"{}",
        b'{"a":',
    ]


def test_secrets_are_blotted_out_of_path_and_headers_too() -> None:
    recorder = Recorder(lambda: ["hf_run_secret"])
    recording = recorder.start(ProviderEnum.ANTHROPIC, "POST", f"{CHAT}?key=hf_run_secret", b"")
    recording.begin(200, {"request-id": "hf_run_secret", "retry-after": "\udcff"})
    recording.end(cut=False)
    text = recorder.cassette() or ""
    assert "hf_run_secret" not in text
    parse_cassette(json.loads(text))


_TOO_MUCH = f"""
import http.client, json, os
port = int(os.environ["ANTHROPIC_BASE_URL"].rsplit(":", 1)[1])
for _ in range(3):
    c = http.client.HTTPConnection("127.0.0.1", port)
    key = os.environ["ANTHROPIC_API_KEY"]
    text = "x" * (7 * 2**20)
    body = json.dumps({{"model": "m", "messages": [{{"role": "user", "content": text}}]}})
    headers = {{"x-api-key": key, "content-type": "application/json"}}
    c.request("POST", "{CHAT}", body, headers)
    c.getresponse().read()
"""


@pytest.mark.matrix
def test_run_without_its_recording_has_a_message(serve_all: Any) -> None:
    server = serve_all(ANTHROPIC_API_KEY=KEY, AGENT_BUILDER_ANTHROPIC_UPSTREAM="http://127.0.0.1:9")
    with server.client() as client:
        result = execute(client, _TOO_MUCH, backend="provider", record=True)
        events = client.get(f"/api/runs/{result['run_id']}/events").text
        missing = client.get(f"/api/runs/{result['run_id']}/cassette")
    assert result["status"] == "success"
    assert result["cassette"] is None
    assert "recording (16 MiB)" in result["recording_full"]
    assert events.count('"kind": "recording"') == 1
    assert missing.status_code == 404


def test_unknown_option_types_are_refused() -> None:
    with pytest.raises(SpecError):
        parse_cassette(tape(recorded(request__body={1, 2})))
