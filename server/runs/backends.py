"""Chooses which model answers a run: the provider's with the server's key, or the local one.

If an agent file sets its own address (BASE_URL) and the settings list it, that server answers, with
its own key or none, and never with the provider's key.
"""

from __future__ import annotations

import ast
import re
from typing import Literal

from llm_agent_builder.errors import BackendUnavailableError, NotOursError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.reading.constants import PROVIDER_BASE_URLS, assigned, own_base_url
from llm_agent_builder.reading.source import read_source
from llm_agent_builder.validation.base_urls import check_base_url
from server.keys import KeySource, server_key
from server.local_model.service import REQUEST_MAX_BYTES, LocalModel, prepare_request
from server.local_model.typed_answers import translate_typed_call
from server.net.upstreams import Policy, Upstream
from server.runs.answerers import UNREADABLE_ADDRESS, CannotAnswer, own_server_key, provider_key
from server.runs.sdk_imports import imported
from server.settings import Settings

_NAMES_ADDRESS = re.compile(r"\bBASE_URL\b")  # not HF_BASE_URL, which the gateway sets
BackendChoice = Literal["auto", "provider", "local"]
Backend = Literal["provider", "local", "replay"]
_SDKS = frozenset(provider.sdk_module for provider in PROVIDERS.values())


def providers_in(code: str) -> set[ProviderEnum]:
    """Return the providers whose SDK a program imports, found without running it."""
    modules = imported(code, _SDKS)
    return {provider.id for provider in PROVIDERS.values() if provider.sdk_module in modules}


def base_url_hint(code: str) -> str | None:
    """Return advice for a program that doesn't use its provider's base URL variable, or None."""
    for provider in sorted(providers_in(code)):
        hint = PROVIDERS[provider].without_base_url
        if hint and PROVIDERS[provider].base_url_variable not in code:
            return hint
    return None


def base_url_in(code: str) -> str | None:
    """Return the normalized address that an agent calls instead of its provider's, or None.

    UNREADABLE_ADDRESS if there is one that can't be read from the code: such an agent must not use
    the provider's key.
    """
    if not _NAMES_ADDRESS.search(code):
        return None
    try:
        tree = read_source(code).tree
    except NotOursError:
        return UNREADABLE_ADDRESS
    base_url = own_base_url(tree)
    if base_url is None:
        return UNREADABLE_ADDRESS if _may_lead_elsewhere(assigned(tree, "BASE_URL")) else None
    try:
        return check_base_url(base_url)
    except ValueError:
        return base_url


def _may_lead_elsewhere(values: list[ast.expr | None]) -> bool:
    """Return whether BASE_URL may differ from the router's, for example because it is computed."""
    if len(values) != 1 or values[0] is None:
        return bool(values)
    nodes = list(ast.walk(values[0]))
    known = {None, *PROVIDER_BASE_URLS}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)} - known
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return bool(names - {"os"}) or any("//" in str(each) for each in texts)


class Backends:
    """Resolves a choice of backend, and routes a run's calls by it."""

    def __init__(self, settings: Settings, keys: KeySource, local_model: LocalModel) -> None:
        self._settings = settings
        self._keys = keys
        self._local = local_model
        self._servers = settings.own_servers

    def resolve(self, choice: BackendChoice, code: str) -> Backend:
        """Return the backend for a run of `code`.

        `auto` is the provider if there is a key for each provider that the code uses, else local.

        Raises:
            BackendUnavailableError: "provider" was asked for and a key is missing; names it.

        """
        if choice == "local":
            return "local"
        base_url = base_url_in(code)
        found = [self._upstream(id_, base_url) for id_ in sorted(providers_in(code))]
        missing = [each for each in found if isinstance(each, CannotAnswer)]
        if choice == "provider" and missing:
            raise BackendUnavailableError(missing[0].advice)
        return "provider" if choice == "provider" or (found and not missing) else "local"

    def policy(self, backend: Backend, code: str = "") -> Policy:
        """Return the routing of one run's calls. The key is looked up for each call."""
        base_url = base_url_in(code)

        async def route(provider: ProviderEnum) -> Upstream:
            if backend == "local":
                endpoint = await self._local.endpoint()
                return Upstream(
                    "local",
                    endpoint.base_url,
                    endpoint.key,
                    prepare=prepare_request,
                    translate=translate_typed_call,
                    max_bytes=REQUEST_MAX_BYTES,
                    model=self._local.label,
                )
            found = self._upstream(provider, base_url)
            if isinstance(found, CannotAnswer):
                raise BackendUnavailableError(found.advice)
            return found

        return route

    def _upstream(self, provider: ProviderEnum, base_url: str | None) -> Upstream | CannotAnswer:
        """Return where calls to a provider go, if an agent's own address is `base_url`."""
        if base_url is None or not PROVIDERS[provider].own_servers:
            key = provider_key(provider, self._keys)
            url = self._settings.upstream(provider)
            return key if isinstance(key, CannotAnswer) else Upstream("provider", url, key)
        key = own_server_key(base_url, self._servers, self._keys)
        url = base_url.removesuffix(PROVIDERS[provider].base_url_suffix)
        return key if isinstance(key, CannotAnswer) else Upstream("own", url, key)

    def secrets(self) -> list[str]:
        """Return all keys, which must not appear in recordings."""
        keys = [self._keys.key(id_) for id_ in PROVIDERS]
        keys += [server_key(server, self._keys) for server in self._servers.values()]
        return [key.reveal() for key in keys if key is not None and key.reveal()]
