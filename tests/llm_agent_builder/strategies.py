"""Hypothesis strategies: the values that users give, at their worst."""

from __future__ import annotations

import unicodedata
from typing import Literal

from hypothesis import strategies as st

from llm_agent_builder import AgentSpec, ProviderEnum

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

specs = st.builds(
    AgentSpec,
    name=lines,
    prompt=texts,
    task=texts,
    model=lines,
    provider=st.sampled_from(list(ProviderEnum)),
    stream=st.booleans(),
)
