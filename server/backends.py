"""Which model answers a run: the provider's, with the server's key, or the built-in local one."""

from __future__ import annotations

import ast
from typing import Literal

from llm_agent_builder.errors import BackendUnavailableError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from server.local_model import LocalModel, prepare_request
from server.settings import KeySource, Settings
from server.upstreams import Policy, Upstream

BackendChoice = Literal["auto", "provider", "local"]
Backend = Literal["provider", "local", "replay"]


def providers_in(code: str) -> set[ProviderEnum]:
    """Return the providers whose SDK a program imports, found without running it."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module.split(".")[0])
    return {provider.id for provider in PROVIDERS.values() if provider.sdk_module in modules}


def base_url_hint(code: str) -> str | None:
    """Return what helps a program that can't reach its provider, or None where nothing is known."""
    for provider in sorted(providers_in(code)):
        hint = PROVIDERS[provider].without_base_url
        if hint and PROVIDERS[provider].base_url_variable not in code:
            return hint
    return None


class Backends:
    """Resolves a choice of backend, and routes a run's calls by it."""

    def __init__(self, settings: Settings, keys: KeySource, local_model: LocalModel) -> None:
        self._settings = settings
        self._keys = keys
        self._local = local_model

    def resolve(self, choice: BackendChoice, code: str) -> Backend:
        """Return the backend for a run of `code`.

        `auto` is the provider where a key is there for each provider the code uses, else local.

        Raises:
            BackendUnavailableError: "provider" was asked for and a key is missing; names it.

        """
        missing = [id_ for id_ in sorted(providers_in(code)) if self._keys.key(id_) is None]
        if choice == "local":
            return "local"
        if choice == "provider":
            if missing:
                raise BackendUnavailableError(self._no_key(missing[0]))
            return "provider"
        return "provider" if providers_in(code) and not missing else "local"

    def policy(self, backend: Backend) -> Policy:
        """Return the routing of one run's calls. A key is looked up anew for each call."""

        async def route(provider: ProviderEnum) -> Upstream:
            if backend == "local":
                endpoint = await self._local.endpoint()
                return Upstream(
                    "local", endpoint.base_url, endpoint.key, prepare_request, self._local.label
                )
            key = self._keys.key(provider)
            if key is None:
                raise BackendUnavailableError(self._no_key(provider))
            return Upstream("provider", self._settings.upstream(provider), key)

        return route

    def secrets(self) -> list[str]:
        """Return every key there is: what must not be in a recording."""
        keys = [self._keys.key(id_) for id_ in PROVIDERS]
        return [key.reveal() for key in keys if key is not None]

    def _no_key(self, provider: ProviderEnum) -> str:
        name = PROVIDERS[provider].key_env
        return (
            f"{PROVIDERS[provider].label} needs a key: set {name} in the server's environment or "
            "in .env (no restart needed), or run with the local model."
        )
