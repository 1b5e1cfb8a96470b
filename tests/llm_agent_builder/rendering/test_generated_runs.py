"""Generated files as their owners run them: real processes, the real SDKs, a scripted upstream."""

from __future__ import annotations

import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_agent_builder import PROVIDERS, AgentBuilder, AgentSpec, ProviderEnum, filename_for
from tests.llm_agent_builder.support.processes import Done, clean_environment, run_python
from tests.llm_agent_builder.support.scripted_upstream import (
    Received,
    Reply,
    ScriptedUpstream,
    answer,
)

pytestmark = pytest.mark.matrix(keep=1)

ANTHROPIC, HUGGINGFACE = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
PROVIDER_CASES = [ANTHROPIC, HUGGINGFACE]
KEY = "sk-test-0123456789"
PROMPT = 'You are "brief".\n\\Never shout. {{ é 日本 😀 }}'
EXAMPLE_TASK = "The example task."
PIECES = ["Hello", ", ", "wörld 😀", "\n", "bye."]
WHOLE = "".join(PIECES)


@dataclass(frozen=True)
class Agent:
    """A generated file in a folder of its own, and where its model calls go."""

    spec: AgentSpec
    folder: Path
    base_url: str

    @property
    def file(self) -> str:
        return filename_for(self.spec.name)

    @property
    def variables(self) -> dict[str, str]:
        row = PROVIDERS[self.spec.provider]
        base_url = self.base_url + row.base_url_suffix
        return {row.key_env: KEY, row.base_url_variable: base_url}

    def run(self, *arguments: str, stdin: str | bytes = "", **variables: str | None) -> Done:
        """Run the file to its end; a variable that is None is left out."""
        merged = self.variables | variables
        environment = {name: value for name, value in merged.items() if value is not None}
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return run_python(
            self.file, *arguments, home=home, cwd=self.folder, stdin=stdin, **environment
        )


def write_agent(
    folder: Path,
    provider: ProviderEnum,
    *,
    base_url: str,
    stream: bool = False,
    name: str = "Test Agent",
) -> Agent:
    spec = AgentSpec(
        name=name,
        prompt=PROMPT,
        task=EXAMPLE_TASK,
        provider=provider,
        model=PROVIDERS[provider].default_model,
        stream=stream,
    )
    source = AgentBuilder().build(spec)
    (folder / filename_for(name)).write_text(source, "utf-8")
    return Agent(spec, folder, base_url)


def task_of(request: Received) -> object:
    """Return the task in a request, having checked all the rest of it."""
    body = dict(request.body)
    (*system, user) = body.pop("messages")
    if "/v1/messages" in request.path:
        assert body.pop("system") == PROMPT
        assert system == []
    else:
        assert system == [{"role": "system", "content": PROMPT}]
    assert user["role"] == "user"
    return user["content"]


def only(upstream: ScriptedUpstream) -> Received:
    (request,) = upstream.received
    return request


def assert_one_line(stderr: str, *words: str) -> None:
    assert stderr.endswith("\n")
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("Test Agent: ")
    assert KEY not in stderr
    for word in words:
        assert word in stderr


# --- an answer


@pytest.mark.parametrize("provider", PROVIDER_CASES)
def test_without_stream_the_whole_answer_is_printed_alone(
    provider: ProviderEnum, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    # "Email": were its file email.py, no SDK could be imported beside it.
    agent = write_agent(tmp_path, provider, base_url=upstream.url, name="Email")
    upstream.replies.append(answer(provider, PIECES, stream=False))
    done = agent.run("--task", "Greet 世界 😀")
    assert (done.returncode, done.stdout, done.stderr) == (0, WHOLE + "\n", "")
    request = only(upstream)
    assert request.path == PROVIDERS[provider].api_path
    assert request.body["model"] == agent.spec.model
    assert not request.body.get("stream")
    assert task_of(request) == "Greet 世界 😀"
    sent_key = request.headers.get("x-api-key") or request.headers["authorization"]
    assert sent_key.removeprefix("Bearer ") == KEY


@contextmanager
def started(agent: Agent, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, agent.file, *arguments],
        env=clean_environment(agent.folder, **agent.variables),
        cwd=agent.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_just(process: subprocess.Popen[bytes], expected: str) -> None:
    """Read from standard output until `expected` has come; nothing more may come with it."""
    assert process.stdout
    wanted, found = expected.encode(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(found) < len(wanted):
            assert selector.select(timeout=60), f"after {found!r} nothing came for a minute"
            got = process.stdout.read(4096)
            assert got, f"the output ended after {found!r}"
            found += got
    assert found == wanted


@pytest.mark.parametrize("provider", PROVIDER_CASES)
def test_with_stream_each_piece_is_printed_before_the_next_is_sent(
    provider: ProviderEnum, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url, stream=True)
    upstream.replies.append(answer(provider, PIECES, stream=True, gated=True))
    arrived_at: list[float] = []
    with started(agent, "--task", "Greet.") as process:
        for number, piece in enumerate(PIECES, start=1):
            read_just(process, piece)
            arrived_at.append(time.monotonic())
            assert len(upstream.sent_at) == number
            upstream.let_go()
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"\n", b"")
    # By the upstream's own log: every piece was on standard output before the next one left.
    for arrived, next_sent in zip(arrived_at, upstream.sent_at[1:], strict=True):
        assert arrived < next_sent
    request = only(upstream)
    assert request.path == PROVIDERS[provider].api_path
    assert request.body["stream"] is True
    assert request.body["model"] == agent.spec.model
    assert task_of(request) == "Greet."


_PROGRAM = """
import sys
sys.argv = ["program", "--not-for-the-agent"]
from test_agent import TestAgent
shown = []
agent = TestAgent()
print([agent.run("One."), agent.run("Two.", shown.append)], shown)
"""


@pytest.mark.parametrize("provider", PROVIDER_CASES)
def test_the_class_serves_other_programs(
    provider: ProviderEnum, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url, stream=True)
    for pieces in (["o", "ne"], ["t", "wo"]):
        upstream.replies.append(answer(provider, pieces, stream=True))
    done = run_python("-c", _PROGRAM, home=tmp_path, cwd=tmp_path, **agent.variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['one', 'two'] ['t', 'wo']\n"
    assert [task_of(request) for request in upstream.received] == ["One.", "Two."]


def test_a_failure_that_passes_is_tried_again(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    agent = write_agent(tmp_path, ANTHROPIC, base_url=upstream.url)
    upstream.replies.append(
        Reply([b"{}"], 500, headers={"x-should-retry": "true", "retry-after-ms": "1"})
    )
    upstream.replies.append(answer(ANTHROPIC, PIECES, stream=False))
    done = agent.run("--task", "Greet.")
    assert (done.returncode, done.stdout, done.stderr) == (0, WHOLE + "\n", "")
    assert [task_of(request) for request in upstream.received] == ["Greet."] * 2


# --- the task. What follows has one template for both providers; the lighter SDK runs it.


@pytest.mark.parametrize(
    ("arguments", "stdin", "task"),
    [
        (("--task", "- v --help"), "not this", "- v --help"),
        (("--task=--help",), "", "--help"),
        (("--task=-1",), "", "-1"),
        ((), "  von der Eingabe, 日本 😀\nzwei\n", "von der Eingabe, 日本 😀\nzwei"),
        ((), "", EXAMPLE_TASK),
        ((), " \n", EXAMPLE_TASK),
    ],
    ids=[
        "beginning with a dash",
        "an option's name",
        "one word",
        "standard input",
        "example",
        "blank input",
    ],
)
def test_the_task_is_the_options_else_standard_inputs_else_the_example(
    arguments: tuple[str, ...],
    stdin: str,
    task: str,
    upstream: ScriptedUpstream,
    tmp_path: Path,
) -> None:
    agent = write_agent(tmp_path, HUGGINGFACE, base_url=upstream.url)
    upstream.replies.append(answer(HUGGINGFACE, PIECES, stream=False))
    done = agent.run(*arguments, stdin=stdin)
    assert (done.returncode, done.stdout, done.stderr) == (0, WHOLE + "\n", "")
    assert task_of(only(upstream)) == task


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--flavour", "mint"), "unrecognized arguments: --flavour mint"),
        (("--task", " "), "the task is empty"),
        (("--task",), "expected one argument"),
    ],
)
def test_wrong_usage_exits_2_before_any_key_is_looked_for(
    arguments: tuple[str, ...], message: str, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, HUGGINGFACE, base_url=upstream.url)
    done = agent.run(*arguments, HUGGINGFACEHUB_API_TOKEN=None, HF_BASE_URL=None)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: test_agent.py ")
    assert message in done.stderr
    assert upstream.received == []


def test_binary_input_fails_in_one_line(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    agent = write_agent(tmp_path, HUGGINGFACE, base_url=upstream.url)
    done = agent.run(stdin=b"\xff\xfe", PYTHONIOENCODING="utf-8:strict")
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, "UnicodeDecodeError", "can't decode byte 0xff")


# --- the key and the base URL (the requests above show where each is read)


@pytest.mark.parametrize("provider", PROVIDER_CASES)
def test_a_missing_key_is_named_in_one_line(
    provider: ProviderEnum, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    agent = write_agent(tmp_path, provider, base_url=upstream.url)
    row = PROVIDERS[provider]
    done = agent.run(
        *("--task", "x"), ANTHROPIC_API_KEY=None, HUGGINGFACEHUB_API_TOKEN=None, HF_BASE_URL=None
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, f"set {row.key_env} to your")
    assert upstream.received == []


@pytest.mark.parametrize(
    ("first", "second", "sent"),
    [("hf_one", "hf_two", "Bearer hf_one"), (None, "hf_two", "Bearer hf_two"), (None, None, None)],
    ids=["both", "HF_TOKEN", "neither"],
)
def test_hugging_faces_own_variable_wins_and_another_base_url_needs_neither(
    first: str | None,
    second: str | None,
    sent: str | None,
    upstream: ScriptedUpstream,
    tmp_path: Path,
) -> None:
    agent = write_agent(tmp_path, HUGGINGFACE, base_url=upstream.url)
    upstream.replies.append(answer(HUGGINGFACE, PIECES, stream=False))
    done = agent.run(
        *("--task", "x"),
        HUGGINGFACEHUB_API_TOKEN=first,
        HF_TOKEN=second,
        HF_BASE_URL=upstream.url,  # without /v1, which works as well
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, WHOLE + "\n", "")
    assert only(upstream).path == "/v1/chat/completions"
    assert only(upstream).headers.get("authorization") == sent
