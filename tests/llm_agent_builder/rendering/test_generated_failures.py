"""Generated files whose calls fail: an exit code, and one line that says why."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from llm_agent_builder import ProviderEnum
from tests.llm_agent_builder.rendering.test_generated_runs import (
    ANTHROPIC,
    HUGGINGFACE,
    PIECES,
    PROVIDER_CASES,
    WHOLE,
    assert_one_line,
    write_agent,
)
from tests.llm_agent_builder.support.scripted_upstream import (
    Reply,
    ScriptedUpstream,
    answer,
    failure,
    stream_error,
)

pytestmark = pytest.mark.matrix(keep=1)


@pytest.mark.parametrize(
    ("provider", "stream", "status", "kind"),
    [
        (ANTHROPIC, False, 401, "AuthenticationError"),
        (ANTHROPIC, False, 429, "RateLimitError"),
        (ANTHROPIC, False, 500, "InternalServerError"),
        (ANTHROPIC, True, 401, "AuthenticationError"),
        (HUGGINGFACE, False, 401, "HTTP"),
        (HUGGINGFACE, False, 429, "HTTP"),
        (HUGGINGFACE, False, 500, "HTTP"),
        (HUGGINGFACE, True, 401, "HTTP"),
    ],
)
def test_a_refusal_of_the_provider_is_one_line_that_says_why(
    provider: ProviderEnum,
    stream: bool,
    status: int,
    kind: str,
    upstream: ScriptedUpstream,
    tmp_path: Path,
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url, stream=stream)
    # Hugging Face's SDK doesn't try again: the file itself does where the server is busy.
    calls = 3 if provider is HUGGINGFACE and status != 401 else 1
    upstream.replies.extend([failure(status, "scripted\nrefusal")] * calls)
    done = agent.run("--task", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, kind, str(status), "refusal")
    assert len(upstream.received) == calls


@pytest.mark.parametrize("provider", PROVIDER_CASES)
def test_a_refused_connection_is_one_line(provider: ProviderEnum, tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        agent = write_agent(tmp_path, provider, base_url=f"http://127.0.0.1:{port}")
        done = agent.run("--task", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, "Connect")


@pytest.mark.parametrize("provider", PROVIDER_CASES)
def test_a_stream_cut_off_half_way_is_a_failure(
    provider: ProviderEnum, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url, stream=True)
    upstream.replies.append(answer(provider, PIECES, stream=True, cut=True))
    done = agent.run("--task", "x")
    assert (done.returncode, done.stdout) == (1, WHOLE)
    assert_one_line(done.stderr, "peer closed connection")
    assert len(upstream.received) == 1


def test_an_answer_cut_off_half_way_is_a_failure(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, HUGGINGFACE, base_url=upstream.url)
    upstream.replies.append(answer(HUGGINGFACE, PIECES, stream=False, cut=True))
    done = agent.run("--task", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, "peer closed connection")


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("provider", "stream"), [(ANTHROPIC, True), (HUGGINGFACE, True), (HUGGINGFACE, False)]
)
def test_an_answer_without_a_stop_reason_is_a_failure(
    provider: ProviderEnum, stream: bool, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url, stream=stream)
    upstream.replies.append(answer(provider, PIECES, stream=stream, stop=""))
    done = agent.run("--task", "x")
    assert (done.returncode, done.stdout) == (1, WHOLE if stream else "")
    assert_one_line(done.stderr, "the answer was cut off before its end")


@pytest.mark.parametrize("provider", PROVIDER_CASES)
def test_an_error_inside_a_stream_is_a_failure(
    provider: ProviderEnum, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url, stream=True)
    upstream.replies.append(stream_error(provider, PIECES, "scripted overload"))
    done = agent.run("--task", "x")
    assert (done.returncode, done.stdout) == (1, WHOLE)
    assert_one_line(done.stderr, "scripted overload")


@pytest.mark.matrix
@pytest.mark.parametrize("provider", PROVIDER_CASES)
def test_a_stream_with_nothing_in_it_is_a_failure_that_says_something(
    provider: ProviderEnum, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url, stream=True)
    upstream.replies.append(Reply([], content_type="text/event-stream"))
    done = agent.run("--task", "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr)
    assert not done.stderr.rstrip().endswith(":")


# --- it stopped early: exit 3, and what there is on standard output


@pytest.mark.parametrize(
    ("provider", "stream", "reason"),
    [
        (ANTHROPIC, False, "max_tokens"),
        (ANTHROPIC, True, "refusal"),
        (HUGGINGFACE, False, "length"),
        (HUGGINGFACE, False, "content_filter"),
        (HUGGINGFACE, True, "length"),
        (HUGGINGFACE, True, "content_filter"),
    ],
)
def test_an_answer_that_stopped_early_is_printed_and_exits_3(
    provider: ProviderEnum,
    stream: bool,
    reason: str,
    upstream: ScriptedUpstream,
    tmp_path: Path,
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url, stream=stream)
    upstream.replies.append(answer(provider, PIECES, stream=stream, stop=reason))
    done = agent.run("--task", "x")
    assert (done.returncode, done.stdout) == (3, WHOLE + "\n")
    assert done.stderr == f"Test Agent: stopped early: {reason}\n"
