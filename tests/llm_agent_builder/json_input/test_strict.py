"""Strict JSON reading: in slices, and refused beyond its limits."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.json_input.strict import (
    CUT,
    LONGEST,
    MAX_DEPTH,
    MAX_VALUES,
    SLICE,
    Cut,
    DuplicateKeys,
    TooComplexError,
    UnreadableError,
    read_json,
    read_json_pieces,
    written_length,
)

MIB = 1024 * 1024
texts = st.text(max_size=20) | st.sampled_from(
    ['"', "\\", '\\"', "\\u0041", "[{", "é" * 300, '\\"' * 150]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def finish(steps: Generator[None, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def cut(value: Any) -> Any:
    """Return a value with its long strings cut."""
    if isinstance(value, str):
        return value if len(json.dumps(value)) <= LONGEST else "long"
    if isinstance(value, dict):
        return {str(cut(key)): cut(inner) for key, inner in value.items()}
    return [cut(inner) for inner in value] if isinstance(value, list) else value


@given(values, st.booleans(), st.integers(1, 9))
def test_text_is_read_the_same_whole_and_in_slices_of_any_size(
    value: Any, escapes: bool, size: int
) -> None:
    body = json.dumps(value, ensure_ascii=escapes).encode("utf-8", "replace")
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert cut(finish(read_json_pieces(pieces))) == cut(json.loads(body))
    assert finish(read_json(body)) == json.loads(body)


def test_a_long_string_is_cut_and_never_within_an_escape() -> None:
    long = ["x" * 5000, "\\u0041" * 5000, "\\\\" * 5000, "ab" + "\\u00e9" * MIB]
    body = ('["' + '", "'.join(long) + '"]').encode()
    found = finish(read_json(body))
    for text, written in zip(found, long, strict=True):
        begins = text.partition(CUT)[0]
        assert len(begins) < len(text)
        assert json.loads(f'"{written}"').startswith(begins)
        assert len(text) > 30


@given(st.integers(0, 3 * LONGEST), st.sampled_from(["x", "é", "\U0001f600"]), st.integers(1, 500))
def test_the_length_of_a_cut_string_is_exact(length: int, letter: str, size: int) -> None:
    body = json.dumps({"a": letter * length}, ensure_ascii=False).encode()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    found = finish(read_json_pieces(pieces))["a"]
    assert (len(found) > LONGEST, isinstance(found, Cut)) == (length > LONGEST,) * 2
    assert written_length(found) == length
    assert found.removesuffix(CUT) == letter * min(length, LONGEST)


@given(st.text(min_size=LONGEST - 40, max_size=LONGEST + 40), st.booleans(), st.booleans())
def test_the_length_never_exceeds_the_source(text: str, escapes: bool, forged: bool) -> None:
    text += f"{CUT}{10**9}" * forged
    written = json.dumps({"a": text}, ensure_ascii=escapes).encode("utf-8", "replace")
    for found in (finish(read_json_pieces([written])), finish(read_json(written))):
        assert written_length(found["a"]) <= len(written)


def test_a_duplicate_key_is_found_in_any_form() -> None:
    body = b'{"a": {"max_tokens": 1, "max\\u005ftokens": 2}}'
    for size in range(1, len(body)):
        pieces = [body[:size], body[size:]]
        found = finish(read_json_pieces(pieces))["a"]
        assert isinstance(found, DuplicateKeys)
        assert found.pairs == [("max_tokens", 1), ("max_tokens", 2)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"x",
        b"{} {}",
        b"{}x",
        b'{"a": 1}"',
        b'{"a": 1}"b',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": 1} // b',
        b'{"a": "\xff"}',
        b'{"a": "\xc0\xa2"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "b\nc"}',
        b'{"a": "\\x"}',
        b'{"a": "\\u12"}',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "' + b"x" * 100_000,
        b'{"a": "' + b"x" * 100_000 + b"\\",
        b'{"a": "' + b"x" * 100_000 + b'"]',
        b"]" * 100_000,
    ],
)
def test_text_that_is_not_exactly_json_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        finish(read_json(body))


@pytest.mark.parametrize("around", [b"", b" " * 70_000], ids=["small", "large"])
def test_nesting_is_allowed_up_to_the_limit(around: bytes) -> None:
    fits = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + around
    finish(read_json(fits))
    with pytest.raises(TooComplexError, match="nested"):
        finish(read_json(b"[" + fits.rstrip() + b"]" + around))


def test_brackets_in_strings_are_not_nesting() -> None:
    body = json.dumps({"a": "[" * MIB, "b": ["{\\" * 50] * 1000}).encode()
    assert len(finish(read_json(body))["b"]) == 1000


@pytest.mark.parametrize("value", [b"0", b'""', b"[]", b"{}", b'{"a":0}', b'{"":""}'])
def test_values_of_every_kind_are_counted(value: bytes) -> None:
    inner = 2 if value.startswith(b'{"') else 1
    most = MAX_VALUES // (inner + (value in {b"[]", b"{}"})) - 2
    finish(read_json(b"[" + b",".join([value] * most) + b"]"))
    with pytest.raises(TooComplexError, match="values"):
        finish(read_json(b"[" + b",".join([value] * (MAX_VALUES + 2)) + b"]"))


HOSTILE = {
    "brackets": b"[" * (32 * MIB),
    "pairs": b"[]," * (10 * MIB),
    "objects": b'{"a":{}},' * (3 * MIB),
    "spaces": b" " * (32 * MIB),
    "digits": b"9" * (32 * MIB),
    "quotes": b'"' * (32 * MIB),
    "texts": b'["' + b'","' * (10 * MIB),
    "long texts": b'["' + (b"\\n" * 101 + b'","') * (160 * 1024),
    "escapes": b'"' + b"\\n" * (16 * MIB - 1) + b'"',
    "backslashes": b'"' + b"\\" * (32 * MIB - 2) + b'"',
    "commas": b"[" + b"," * (32 * MIB),
}


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_the_largest_request_of_each_kind_is_read_soon_and_in_small_steps(kind: str) -> None:
    steps, longest, begun = read_json(HOSTILE[kind]), 0.0, time.thread_time()
    done = False
    while not done:
        before = time.thread_time()
        try:
            next(steps)
        except (StopIteration, ValueError):
            done = True
        longest = max(longest, time.thread_time() - before)
    # About 0.4 s and 0.1 s here; unlimited parsing took 1 s per MiB and minutes per step.
    assert time.thread_time() - begun < 10
    assert longest < 2


def test_large_text_is_read_in_many_steps() -> None:
    steps = sum(1 for _ in read_json(b'"' + b"x" * (4 * MIB) + b'"'))
    assert steps >= 4 * MIB // SLICE


def test_numbers_that_take_long_to_convert_are_refused_unread() -> None:
    numbers = b",".join([b"9" * 4000] * 900)
    with pytest.raises(TooComplexError, match="digits"):
        finish(read_json(b"[" + numbers + b"]"))
