"""Limited JSON reading: counts before parsing, and gives the standard library's values."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.json_input.limits import JsonLimits, JsonProblem, check_json_size, read_json

LIMITS = JsonLimits(depth=5, values=50, number_chars=20)
texts = st.text(alphabet=st.sampled_from('"\\[]{},:x\n\u00e9\U0001f600 '), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1, 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    inside = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inside, list):
        return 0
    return 1 + max(map(depth_of, inside), default=0)


@given(values, st.booleans(), st.sampled_from([None, 2]))
def test_any_value_is_read_whatever_its_strings_contain(
    value: object, escaped: bool, indent: int | None
) -> None:
    document = json.dumps(value, ensure_ascii=escaped, indent=indent).encode()
    assert read_json(document) == value


@given(values)
def test_depth_ignores_brackets_in_strings(value: object) -> None:
    document = json.dumps(value).encode()
    depth = depth_of(value)
    check_json_size(document, JsonLimits(depth=depth))
    if depth:
        with pytest.raises(JsonProblem, match=f"more than {depth - 1} lists"):
            check_json_size(document, JsonLimits(depth=depth - 1))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(data: bytes) -> None:
    with suppress(JsonProblem):
        read_json(data)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"[" * 6 + b"]" * 6, "more than 5 lists and objects inside each other"),
        (b'{"a":' * 6 + b"1" + b"}" * 6, "more than 5 lists and objects inside each other"),
        (b"[" + b"0," * 50 + b"0]", "more than 50 values"),
        (b"[" + b"{}," * 20 + b"0]", "more than 50 values"),
        (b'"",' * 60, "more than 50 values"),
        (b'""' * 101, "more than 50 values"),
        (b":" * 60, "more than 50 values"),
        (b"]" * 102, "more than 50 values"),
        (b"[" + b"1" * 21 + b"]", "a number of more than 20 characters"),
        (b"1e" + b"0" * 20, "a number of more than 20 characters"),
        (b"1 " * 21, "a number of more than 20 characters"),
    ],
)
def test_a_document_beyond_a_limit_is_refused_unread(document: bytes, message: str) -> None:
    with pytest.raises(JsonProblem, match=message) as raised:
        read_json(document, LIMITS)
    assert raised.value.position is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[1] 2", "is not JSON: Extra data"),
        (b"NaN", "is not JSON: NaN is not a JSON value"),
        (b"[-Infinity]", "is not JSON: -Infinity is not a JSON value"),
        (b'"\xff"', "is not UTF-8"),
        ('"x"'.encode("utf-16"), "is not UTF-8"),
        ('"x"'.encode("utf-32-le"), "is not JSON"),
        (b'"\x00"', "is not JSON"),
    ],
)
def test_invalid_json_is_refused(document: bytes, message: str) -> None:
    with pytest.raises(JsonProblem, match=message):
        read_json(document)


@pytest.mark.parametrize(
    "number", ["1e999", "-1E+309", "1" + "0" * 309 + ".0", "1" + "0" * 300 + "e9", "12.5e0310"]
)
def test_number_that_would_be_infinite_is_refused(number: str) -> None:
    with pytest.raises(JsonProblem, match="a number beyond the range of floats"):
        read_json(f'{{"x": [{number}, 1]}}'.encode())


@pytest.mark.parametrize("number", ["1e308", "1e-999", "0.001e310", "1" + "0" * 400, "0e999"])
def test_number_that_is_finite_is_read(number: str) -> None:
    assert read_json(f'["1e999", {number}]'.encode()) == json.loads(f'["1e999", {number}]')


def test_lone_surrogates_a_byte_order_mark_and_duplicate_keys_are_read() -> None:
    assert read_json(b'"\\ud800"') == "\ud800"
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert read_json(b'{"a": 1, "a": 2}') == {"a": 2}


def test_a_string_may_be_long_and_have_any_number_of_brackets() -> None:
    text = '[{"' * 100_000 + "\\" * 1000
    assert read_json(json.dumps({"code": text}).encode()) == {"code": text}
