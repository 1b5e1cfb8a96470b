"""Random specs: every feature, every kind of value at its worst; same seed, same specs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from llm_agent_builder.gallery import gallery

_PIECES = (
    *(
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        "\\\\",
        '\\"""',
        "\\N{DASH}",
        "{",
        "}",
        "{{ name }}",
        "{% x %}",
    ),
    *("\n", "\r\n", "\t", "\x0c", "\0", "\x1b[31m", " \n", "\u2028", "\ud800", "\u202e", "\ufeff"),
    *("é", "日本語", "😀", "e\u0301", "import os", "# x", "; raise", "%s", "_blank", "class A:"),
    *("reference name", "ReferenceAgent", "x" * 70, "Be brief. ", "NAME", "0"),
)
_LINE = tuple(piece for piece in _PIECES if piece.isprintable())
_TYPES = (
    *({"type": "string"}, {"type": "integer", "minimum": 3}, {"type": ["number", "null"]}),
    *({"type": "boolean", "default": True}, {"enum": ["a", 3, None]}, {"const": "x" * 80}),
    {"type": "array", "items": {"type": "object", "properties": {"a b": {"type": "string"}}}},
)
_MODELS = {"anthropic": "claude-sonnet-5-5", "huggingface": "openai/gpt-oss-20b"}


def random_values(number: int) -> dict[str, Any]:
    """Return the values of one spec; a few can't be used. Ten in a row are of one kind."""
    draw, kind = random.Random(number), random.Random(number // 10)
    provider = kind.choice(list(_MODELS))
    values: dict[str, Any] = {
        "name": _text(draw, _LINE)[:100],
        "prompt": _text(draw, _PIECES),
        "task": _text(draw, _PIECES),
        "provider": provider,
        "model": draw.choice([_MODELS[provider], _text(draw, _LINE)[:200]]),
    }
    optional = _optional(draw, kind, provider)
    if optional.get("answer"):
        for name in ("stream", "stop_sequences"):
            optional.pop(name, None)
    if not optional.get("tools") and not optional.get("mcp_servers"):
        for name in ("max_turns", "token_budget"):
            optional.pop(name, None)
    return values | optional


def _text(draw: random.Random, pieces: tuple[str, ...]) -> str:
    return "".join(draw.choices(pieces, k=draw.randint(1, 8))) + "x"


def _optional(draw: random.Random, kind: random.Random, provider: str) -> dict[str, Any]:
    choices: dict[str, Any] = {
        "stream": True,
        "chat": True,
        "usage": True,
        "tools": list(_tools(draw)),
        "answer": _schema(draw),
        "max_tokens": draw.choice([1, 4097, 30_000]),
        "stop_sequences": list({_text(draw, _PIECES) for _ in range(2)}),
        "mcp_servers": list(_servers(draw)),
        "max_turns": draw.randint(1, 1000),
        "token_budget": draw.randint(1, 10**9),
        "timeout_s": draw.choice([0.5, 30.0, 3600.0, 1e-7]),
        "retries": draw.randint(0, 10),
    }
    if provider == "anthropic":
        choices |= {"thinking": "adaptive", "effort": "low", "cache_prompt": True}
    else:
        choices |= {"base_url": "http://127.0.0.1:8000/v1"}
    share = kind.random()
    return {name: value for name, value in choices.items() if kind.random() < share}


def _tools(draw: random.Random) -> Iterator[dict[str, str]]:
    ready = draw.sample(gallery(), draw.randint(0, 2))
    yield from ({"gallery": tool.id} for tool in ready)
    for number in range(draw.randint(0, 2)):
        kind, default = draw.choice([("str", "'x'"), ("int", "3"), ("list[float] | None", "None")])
        yield {
            "code": "import json\n\n\n"
            f"def tool_{number}(a: {kind} = {default}, b: int = 1) -> str:\n"
            f'    """Say {draw.choice(_LINE[8:])!r}."""\n    return json.dumps([a, b])\n'
        }


def _schema(draw: random.Random) -> dict[str, Any]:
    names = {_text(draw, _LINE)[:60] for _ in range(draw.randint(1, 4))}
    properties = {name: draw.choice(_TYPES) for name in sorted(names)}
    said = _text(draw, tuple(piece for piece in _PIECES if piece != "\ud800"))
    return {"type": "object", "title": "ABC", "description": said, "properties": properties}


def _servers(draw: random.Random) -> Iterator[dict[str, Any]]:
    yield {"name": "one", "command": ["run", _text(draw, _LINE)], "env": ["TOKEN"]}
    yield {"name": "two", "url": "https://example.com/mcp?a=b"}
