"""The upstream for the gateway's benchmark: raw asyncio, so that it is never the slowest part.

Answers POST by what the request's headers ask for: `x-chunks` and `x-pause` a stream of so many
events, so many seconds apart; `x-endless` a stream of so many MiB of one event without its end;
`x-tiny` one of so many MiB in chunks of one byte; `x-trial` a stream that uses up to its
`max_tokens`, counts what it used under that name and says so in many forms, odd ones too; else one
small message. `GET /spent` returns the counts.
"""

from __future__ import annotations

import asyncio
import json
import random
import re

MESSAGE = json.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": [{"type": "text", "text": "word " * 40}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 30, "output_tokens": 40},
    }
).encode()
TOKENS_PER_STEP = 5
STEP_S = 0.001
spent: dict[str, int] = {}


def event(kind: str, **data: object) -> bytes:
    data = {"type": kind, **data}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def opening(input_tokens: int) -> bytes:
    start = {**json.loads(MESSAGE), "content": [], "stop_reason": None}
    start["usage"] = {"input_tokens": input_tokens, "output_tokens": 1}
    block = {"type": "text", "text": ""}
    return event("message_start", message=start) + event(
        "content_block_start", index=0, content_block=block
    )


def delta(text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def closing(output_tokens: int, usage: object = None) -> bytes:
    usage = usage or {"output_tokens": output_tokens}
    end = event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)
    return event("content_block_stop", index=0) + end + event("message_stop")


def oddly(output_tokens: int) -> object:
    """Return correct usage, or usage that can't be counted."""
    odd = [{}, "", [output_tokens], {"output_tokens": str(output_tokens)}]
    odd += [{"output_tokens": value} for value in (None, -1, 0, 0.5, 10**30, True, {"n": 1})]
    return random.choice([*odd, *[{"output_tokens": output_tokens}] * len(odd)])


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = PLAIN % (len(MESSAGE), MESSAGE)


async def stream(writer: asyncio.StreamWriter, chunks: int, pause: float) -> None:
    writer.write(STREAM + chunked(opening(30) + delta("word ")))
    for _ in range(chunks):
        await asyncio.sleep(pause)
        writer.write(chunked(delta("word ")))
        await writer.drain()
    writer.write(chunked(closing(chunks)) + b"0\r\n\r\n")


async def endless(writer: asyncio.StreamWriter, mebibytes: int) -> None:
    writer.write(STREAM + chunked(opening(30)))
    for _ in range(mebibytes * 64):
        writer.write(chunked(b"data: " + b"x" * 16_378))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def tiny(writer: asyncio.StreamWriter, mebibytes: int) -> None:
    writer.write(STREAM)
    for _ in range(mebibytes * 4):
        writer.write(chunked(b"x") * (2**18 // 6))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def trial(writer: asyncio.StreamWriter, name: str, body: bytes) -> None:
    """Write word by word, and count each word even if the client is gone."""
    most = json.loads(body)["max_tokens"]
    wanted = most if most > 1000 else random.randint(1, most)
    input_tokens = len(body) // 3
    spent[name] = spent.get(name, 0) + input_tokens
    writer.write(STREAM + chunked(opening(input_tokens)))
    written = 0
    while written < wanted:
        step = min(TOKENS_PER_STEP, wanted - written)
        written += step
        spent[name] += step
        writer.write(chunked(delta("word " * step)))
        await writer.drain()
        await asyncio.sleep(STEP_S)
    writer.write(chunked(closing(written, oddly(written))) + b"0\r\n\r\n")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            fields = dict(re.findall(r"^([\w-]+): (.*)\r$", head, re.MULTILINE))
            body = await read_body(reader, fields)
            if head.startswith("get /spent"):
                found = json.dumps(spent).encode()
                writer.write(PLAIN % (len(found), found))
            elif "x-trial" in fields:
                await trial(writer, fields["x-trial"], body)
            elif "x-endless" in fields:
                await endless(writer, int(fields["x-endless"]))
            elif "x-tiny" in fields:
                await tiny(writer, int(fields["x-tiny"]))
            elif "x-chunks" in fields:
                await stream(writer, int(fields["x-chunks"]), float(fields["x-pause"]))
            else:
                writer.write(WHOLE)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def read_body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    body = b""
    while fields.get("transfer-encoding") == "chunked":
        size = int(await reader.readline(), 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            break
    return body


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
