"""Hypothesis strategies: the values that users give, at their worst."""

from __future__ import annotations

import unicodedata
from typing import Any, Literal

from hypothesis import strategies as st

from llm_agent_builder import AgentSpec, ProviderEnum, SpecError
from llm_agent_builder.spec.agent_spec import make_spec, utf8_length
from tests.llm_agent_builder.support.combinations import ADD, CITY, NOW

NASTY = (
    *('"', "'", '"""', "'''", '\\"', '\\"""', '""""', "\\", "\\\\", "\\\n", "\\N{DASH}", "\\x41"),
    *("{", "}", "{{", "}}", "{{ name }}", "{% raw %}", "{% endif %}", "{#", "#}", "{x!r}", "%s"),
    *("\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\t", "\x0b", "\x0c", "\r", "\n", "\r\n", "\n\n"),
    *(" ", "  ", " \n", "\t\n", "\xa0\n", "\u3000\n", "\u2028", "\u2029", "\xad"),
    *("\ud800", "\udfff", "\ud83d\ude00", "\ufdd0", "\uffff", "\ue000", "\U0010ffff"),
    *("\u202e", "\u2066", "\u2069", "\u200b", "\u200d", "\ufeff", "\U000e0041"),
    *("é", "e\u0301", "\u0301", "日本語", "😀", "👩\u200d💻", "ﬁ", "\u017f", "İ", "हिन्दी"),
    *("x" * 30, "import os", "# comment", "; raise", "*/", "-->", "NAME", "0"),
)
"""Pieces that end a literal, hide in it, or mean something to Python, Jinja or an editor."""

CategoryName = Literal["Cc", "Cs", "Zl", "Zp"]
NOT_IN_A_LINE: tuple[CategoryName, ...] = ("Cc", "Cs", "Zl", "Zp")

any_text = st.lists(st.sampled_from(NASTY) | st.text(st.characters(), max_size=6), max_size=12).map(
    "".join
)

texts = any_text.filter(lambda text: bool(text.strip()))

lines = (
    st.lists(
        st.sampled_from(
            [
                piece
                for piece in NASTY
                if not any(unicodedata.category(char) in NOT_IN_A_LINE for char in piece)
            ]
        )
        | st.text(st.characters(exclude_categories=NOT_IN_A_LINE), max_size=6),
        max_size=12,
    )
    .map(lambda pieces: "".join(pieces)[:100])
    .filter(lambda line: bool(line.strip()))
)

_mcp_servers = st.fixed_dictionaries(
    {"name": st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True)}
).flatmap(
    lambda named: st.one_of(
        st.builds(
            lambda command, env: {**named, "command": command, "env": env},
            st.lists(lines, min_size=1, max_size=4),
            st.lists(st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True), unique=True),
        ),
        st.just({**named, "url": "https://example.com/mcp?x='"}),
    )
)
_able = st.fixed_dictionaries(
    {},
    optional={
        "stream": st.booleans(),
        "tools": st.sampled_from([[ADD], [NOW], [ADD, NOW]]),
        "answer": st.just(CITY),
        "chat": st.booleans(),
        "max_tokens": st.integers(1, 1_000_000),
        "thinking": st.sampled_from(["adaptive", "disabled"]),
        "effort": st.sampled_from(["low", "max"]),
        "stop_sequences": st.lists(
            texts.filter(lambda text: utf8_length(text) <= 200), max_size=4, unique=True
        ),
        "cache_prompt": st.booleans(),
        "mcp_servers": st.lists(_mcp_servers, max_size=3, unique_by=lambda each: each["name"]),
        "max_turns": st.integers(1, 1000),
        "token_budget": st.integers(1, 1_000_000),
        "timeout_s": st.floats(0.001, 3600),
        "retries": st.integers(0, 10),
        "usage": st.booleans(),
    },
)
_plain = st.fixed_dictionaries(
    {
        "name": lines,
        "prompt": texts,
        "task": texts,
        "model": lines,
        "provider": st.sampled_from(list(ProviderEnum)),
    }
)


def _fitting(values: dict[str, Any]) -> AgentSpec:
    """Return a spec of these values, without those that don't go together."""
    while True:
        try:
            return make_spec(values)
        except SpecError as problem:
            del values[problem.field.partition(".")[0]]


able_specs = st.builds(lambda plain, able: _fitting({**plain, **able}), _plain, _able)
"""Specs that ask for anything that may be asked for."""

specs = st.builds(
    lambda plain, stream: make_spec({**plain, "stream": stream}), _plain, st.booleans()
)
"""Plain agents, of any values."""
