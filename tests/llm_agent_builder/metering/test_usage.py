"""`Usage`: tokens out of whatever a provider sends, never a negative number, never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.metering.usage import Usage, from_anthropic, from_chat_completion

counts = st.integers(min_value=1, max_value=10**9)
usages = st.builds(Usage, counts, counts, counts)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FIELDS = (
    *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    *("prompt_tokens", "completion_tokens", "prompt_tokens_details"),
)


@given(usages, usages, usages)
def test_sums_are_count_by_count_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Usage() == one
    assert (one + two).input_tokens == one.input_tokens + two.input_tokens
    assert (one + two).output_tokens == one.output_tokens + two.output_tokens
    assert (one + two).cached_tokens == one.cached_tokens + two.cached_tokens


@given(counts, counts, counts, counts)
def test_anthropics_input_includes_cache_reads_and_writes(
    plain: int, read: int, written: int, output: int
) -> None:
    usage = from_anthropic(
        {
            "input_tokens": plain,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "output_tokens": output,
            "service_tier": "standard",
        }
    )
    # An unknown cache duration counts at the highest price.
    assert usage == Usage(plain + read + written, output, read, written, written)


@given(counts, counts, counts)
def test_a_chat_completions_input_includes_its_cached_part(
    prompt: int, completion: int, cached: int
) -> None:
    usage = from_chat_completion(
        {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": min(prompt + completion, 10**9),
            "prompt_tokens_details": {"cached_tokens": min(cached, prompt), "audio_tokens": 0},
        }
    )
    assert usage == Usage(prompt, completion, min(cached, prompt))


def test_a_chat_completion_without_details_has_nothing_cached() -> None:
    assert from_chat_completion({"prompt_tokens": 3, "completion_tokens": 4}) == Usage(3, 4, 0)
    details = {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": None}
    assert from_chat_completion(details) == Usage(3, 4)


@given(st.dictionaries(st.sampled_from(FIELDS), junk) | st.dictionaries(st.text(), junk))
def test_junk_is_read_as_counts_that_make_sense(usage: dict[str, Any]) -> None:
    for read in (from_anthropic(usage), from_chat_completion(usage)):
        if read is None:
            continue
        for count in (read.input_tokens, read.output_tokens, read.cached_tokens):
            assert type(count) is int
            assert count >= 0


@pytest.mark.parametrize(
    "value", [None, True, -5, 1.5, "7", [7], {"n": 7}, 10**30, float("inf"), float("nan"), 0]
)
def test_an_invalid_count_is_unknown(value: object) -> None:
    names = dict.fromkeys(FIELDS, value)
    assert from_anthropic(names) is from_chat_completion(names) is None
    known = {"input_tokens": 1, "output_tokens": 2, "prompt_tokens": 1, "completion_tokens": 2}
    assert from_anthropic({**known, "cache_read_input_tokens": 3.0}) == Usage(4, 2, 3)
    if value:
        assert from_anthropic({**known, "cache_read_input_tokens": value}) is None
        assert from_chat_completion({**known, "total_tokens": value}) is None
