"""Every setting, in one table. The providers' keys are not settings: see `keys.py`.

`Settings` is the table: name, default, one line of help. `docs/settings.md` and `.env.example` are
made from it (`make docs`) and checked. The environment wins over `.env` in the working directory.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from llm_agent_builder.catalog.extra import (
    ExtraModel,
    ModelServer,
    parse_endpoints,
    parse_models,
)
from llm_agent_builder.errors import SettingsError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.validation.messages import describe_error
from llm_agent_builder.validation.suggestions import nearest
from server.keys import ENV_FILE, KeySource

PREFIX = "AGENT_BUILDER_"
HISTORY_FILE = "runs.sqlite3"
"""The run history in the data folder, unless another database is configured."""
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - named, not bound
"""Addresses to listen on that mean all addresses of the machine; no client can connect to them."""
SandboxTier = Literal["strong", "bubblewrap", "landlock", "limits"]

_NAME = r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*"
_ALLOWED_NAME = re.compile(rf"(?=.{{1,253}}$){_NAME}")
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$)({_NAME}|[0-9a-f:.]+)")


def destination(text: str) -> str:
    """Return a destination as "host:port", in lower case; addresses of IPv6 in brackets.

    Clients differ in how they write these addresses: httpx sends no brackets.

    Raises:
        ValueError: it isn't one host and one port. Patterns are not supported.

    """
    host, colon, port = text.strip().lower().rpartition(":")
    name = host.removeprefix("[").removesuffix("]")
    if not (colon and _HOST_NAME.fullmatch(name) and port.isascii() and port.isdecimal()):
        raise ValueError(f"{text[:80]!r} is not HOST:PORT")
    if not 0 < int(port) < 65536:
        raise ValueError(f"{text[:80]!r} is not HOST:PORT with a port from 1 to 65535")
    return f"{_in_url(name)}:{int(port)}"


def _in_url(name: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(name)}]"
    except ValueError:
        return name


def host_name(text: str) -> str:
    """Return a name or an address in lower case, without brackets.

    Raises:
        ValueError: it is neither, or has a scheme, a port, a path or a pattern.

    """
    name = text.strip().lower().removeprefix("[").removesuffix("]")
    if ":" in name:  # an address of IPv6, or a name with a port
        with suppress(ValueError):
            return str(ipaddress.IPv6Address(name))
    elif _ALLOWED_NAME.fullmatch(name):
        return name
    raise ValueError(
        f"{text.strip()[:80]!r} is not a name or an address; omit scheme, port, path and "
        "wildcards, as in builder.example,192.0.2.7"
    )


PROVIDER_TOOLS = "provider-tools"
"""Used like a host: lets the provider reach addresses and use its own tools for a run."""


def grantable(text: str) -> str:
    """Normalize a grant: a destination as "host:port", or `PROVIDER_TOOLS`.

    Raises:
        ValueError: it is neither.

    """
    name = text.strip().lower()
    if name == PROVIDER_TOOLS:
        return name
    try:
        return destination(text)
    except ValueError as error:
        raise ValueError(f"{error} or {PROVIDER_TOOLS}") from None


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "llm-agent-builder"


class Settings(BaseSettings):
    """The settings of one server, read once at start."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=7860, ge=0, le=65535, description="Port to listen on; 0: any free port."
    )
    token: str | None = Field(
        default=None,
        repr=False,
        description="Access token; needed beyond loopback, and generated if not set.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Additional names or addresses of the server, comma separated, without scheme "
        "or port: builder.example,192.0.2.7. Requires a token. A server that listens on 0.0.0.0 or "
        ":: only accepts requests to localhost, 127.0.0.1, [::1] and the names listed here.",
    )
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Where runs are stored (default: llm-agent-builder in the user's data folder).",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="Another database: sqlite:////FOLDER/FILE, or "
        "postgresql://USER:PASSWORD@HOST/NAME (default: SQLite in the data folder). A PostgreSQL "
        "database must exist, with encoding UTF-8 (createdb -E UTF8 -T template0 NAME); the server "
        "creates its tables. PostgreSQL needs the extra "
        "[postgres]: .venv/bin/pip install -e '.[postgres]' in a checkout, or the wheel with "
        "[postgres]. Several servers can share a database; with SQLite, they must run on the "
        "machine that has the file on a local disk.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="DEBUG also logs the output of the local model."
    )
    max_concurrent_runs: int = Field(
        default=4, ge=1, le=256, description="Maximum number of concurrent runs."
    )
    max_queued_runs: int = Field(
        default=64,
        ge=0,
        le=10_000,
        description="Maximum number of waiting runs; more are refused with 429.",
    )
    keep_runs: int = Field(
        default=1000,
        ge=1,
        description="Maximum number of runs in the history; the oldest are deleted first.",
    )
    keep_files_mib: int = Field(
        default=512,
        ge=1,
        description="Storage for files written by runs, in MiB; the files of the oldest runs are "
        "deleted first.",
    )
    allow_weak_sandbox: bool = Field(
        default=False,
        description="1: run code even if only resource limits protect the machine. Dangerous.",
    )
    sandbox_tier: SandboxTier | None = Field(
        default=None,
        description=f"Force one tier: {', '.join(get_args(SandboxTier))} (default: the strongest "
        "that works).",
    )
    preload: bool = Field(
        default=True,
        description="0: don't load the SDKs in advance. Saves about 100 MiB of memory; an agent "
        "takes a second longer to start.",
    )
    local_model_path: Path | None = Field(
        default=None, description="Another GGUF file for the built-in local model."
    )
    anthropic_upstream: str = Field(
        default=PROVIDERS[ProviderEnum.ANTHROPIC].upstream,
        description="Base URL of Anthropic's API.",
    )
    huggingface_upstream: str = Field(
        default=PROVIDERS[ProviderEnum.HUGGINGFACE].upstream,
        description="Base URL of Hugging Face's router.",
    )
    run_budget_usd: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="Limit on a run's spending at its provider, in US dollars; empty: no limit.",
    )
    run_budget_tokens: int | None = Field(
        default=None,
        ge=0,
        description="Limit on a run's input and output tokens; empty: no limit.",
    )
    run_budget_calls: int | None = Field(
        default=None, ge=0, description="Limit on a run's model calls; empty: no limit."
    )
    daily_budget_usd: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="Daily limit (UTC) on the spending of all runs in US dollars, on all servers "
        "that share the database; empty: no limit.",
    )
    daily_budget_tokens: int | None = Field(
        default=None,
        ge=0,
        description="Daily limit on the providers' tokens used by all runs; empty: no limit.",
    )
    daily_budget_calls: int | None = Field(
        default=None,
        ge=0,
        description="Daily limit on the calls of all runs to providers; empty: no limit.",
    )
    extra_models: Annotated[tuple[ExtraModel, ...], NoDecode] = Field(
        default=(),
        description="Additional models, comma separated: PROVIDER:MODEL-ID[=LABEL][@BASE-URL].",
    )
    model_servers: Annotated[tuple[ModelServer, ...], NoDecode] = Field(
        default=(),
        description="Your own servers (Ollama, vLLM, llama.cpp, Inference Endpoints), comma "
        "separated: BASE-URL, optionally followed by the name of the variable with its key.",
    )
    refresh_hours: float = Field(
        default=6,
        ge=0,
        le=24 * 365,
        description="Hours between updates of the model lists of providers with a key; 0: never.",
    )
    egress_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts that runs can be allowed to reach, comma separated (default: none): "
        "HOST:PORT, or provider-tools, which lets the provider fetch addresses and run tools.",
    )

    @field_validator("token")
    @classmethod
    def _refuse_blank(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("is empty; remove it to have a token generated")
        return value

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(host_name(host) for host in value.split(",") if host.strip())
        return value

    @field_validator("extra_models", mode="before")
    @classmethod
    def _read_models(cls, value: object) -> object:
        return parse_models(value) if isinstance(value, str) else value

    @field_validator("model_servers", mode="before")
    @classmethod
    def _read_servers(cls, value: object) -> object:
        return parse_endpoints(value) if isinstance(value, str) else value

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _split_destinations(cls, value: object) -> object:
        if isinstance(value, str):
            value = tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, tuple | list):
            return tuple(dict.fromkeys(map(grantable, value)))
        return value

    @field_validator("anthropic_upstream", "huggingface_upstream")
    @classmethod
    def _check_upstream(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    def upstream(self, provider: ProviderEnum) -> str:
        """Return the base URL of `provider`, without a trailing slash."""
        value: str = getattr(self, f"{provider.value}_upstream")
        return value

    @property
    def own_servers(self) -> dict[str, ModelServer]:
        """The user's own servers that runs may call, by base URL."""
        added = [ModelServer(model.base_url) for model in self.extra_models if model.base_url]
        return {server.base_url: server for server in (*added, *self.model_servers)}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` win over the environment.

    Raises:
        SettingsError: a value is invalid; the message names the variable, never the value.

    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = PREFIX + str(first["loc"][0]).upper() if first["loc"] else "settings"
        raise SettingsError(f"{name}: {describe_error(first)}") from None
    return settings


def unknown_variables(
    environ: Mapping[str, str] = os.environ, env_file: Path = ENV_FILE
) -> list[str]:
    """Return a warning for each variable with our prefix that is not a setting.

    Otherwise a misspelled budget or token would silently have no effect.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    present = {name.upper() for name in (*environ, *KeySource({}, env_file).names())}
    return [
        f"{name[:80]} is not a setting, so it has no effect{_suggestion(name, known)}"
        for name in sorted(present - known)
        if name.startswith(PREFIX)
    ]


def _suggestion(name: str, known: Collection[str]) -> str:
    # Without the common prefix, which would make any two names similar.
    close = nearest(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known])
    return f"; did you mean {PREFIX}{close}?" if close else "; docs/settings.md lists them"
