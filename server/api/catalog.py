"""The route of the catalog: providers, their models, backends, sandbox, limits, gallery tools."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import ClassVar

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, TypeAdapter

from llm_agent_builder.catalog.model import Model
from llm_agent_builder.gallery import GalleryTool, gallery
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.spec.agent_spec import (
    DEFAULT_MAX_TOKENS,
    DEFAULT_MAX_TURNS,
    DEFAULT_RETRIES,
)
from server.api.bodies import BoundedRoute
from server.api.dependencies import CurrentServices
from server.api.errors import describe_errors
from server.isolation.child.cell_root import TEMPORARY_NAME
from server.isolation.files import MAX_BYTES, MAX_FILES, PROGRAM
from server.isolation.tiers.detection import TierReport
from server.keys import server_key
from server.local_model.service import MAX_TOKENS
from server.models import CODE_MAX_BYTES
from server.runs.answerers import Answerer, provider_answerer, server_answerer
from server.runs.backends import Backend
from server.services import Services, backend_label

__all__ = ["CatalogCache", "CatalogResponse", "router"]

router = APIRouter(route_class=BoundedRoute, tags=["catalog"])


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A model server of the user's own."""

    base_url: str
    key_env: str | None
    """The variable that has its key; null if it needs none."""
    key_configured: bool
    answerer: Answerer
    """Who answers agents that call it."""


@dataclass(frozen=True, slots=True)
class ProviderEntry:
    """A provider with its models."""

    id: ProviderEnum
    label: str
    key_env: str
    """The variable that has its key."""
    key_configured: bool
    default_model: str
    answerer: Answerer
    """Who answers agents that call its own API."""
    takes_base_url: bool
    """Whether an agent can call another server that speaks its protocol."""
    servers: tuple[OwnServer, ...]
    refreshed_at: float | None
    """When the provider last listed its models, in seconds since the epoch; null if never."""
    refresh_note: str | None
    """What went wrong when the provider was last asked."""
    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class BackendEntry:
    """A backend that can answer runs."""

    id: Backend
    label: str
    available: bool
    reason: str | None
    """Why it is not available."""
    max_output_tokens: int | None
    """Its limit of each response; null where the model's own applies."""


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Limits on the files that a run is given, and on those that it returns."""

    max_count: int
    max_bytes: int
    """Of all files together."""
    reserved_names: tuple[str, ...]
    """Names in the program's folder that are taken."""


@dataclass(frozen=True, slots=True)
class EgressEntry:
    """Hosts that runs can be allowed to reach."""

    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpecDefaults:
    """Defaults of the fields that a spec omits."""

    max_tokens: int = DEFAULT_MAX_TOKENS
    max_turns: int = DEFAULT_MAX_TURNS
    retries: int = DEFAULT_RETRIES


@dataclass(frozen=True, slots=True)
class CatalogResponse:
    """What this server offers."""

    __pydantic_config__: ClassVar = ConfigDict(
        json_schema_serialization_defaults_required=True, defer_build=True
    )

    providers: tuple[ProviderEntry, ...]
    backends: tuple[BackendEntry, ...]
    sandbox: TierReport
    files: FileLimits
    egress: EgressEntry
    tools: tuple[GalleryTool, ...]
    """Gallery tools that an agent can be given."""
    defaults: SpecDefaults
    code_max_bytes: int
    """Limit of an agent file."""


class CatalogCache:
    """The catalog of one server as JSON; it is encoded again only when something in it changed."""

    _adapter: ClassVar = TypeAdapter(CatalogResponse)

    def __init__(self) -> None:
        self._last: tuple[CatalogResponse, bytes] | None = None

    async def encoded(self, catalog: CatalogResponse) -> bytes:
        """Return the catalog as JSON, all of it in ASCII."""
        if self._last is None or self._last[0] != catalog:  # quick: most models are the same object
            self._last = catalog, await asyncio.to_thread(self._encode, catalog)
        return self._last[1]

    def _encode(self, catalog: CatalogResponse) -> bytes:
        plain = self._adapter.dump_python(catalog, mode="json")
        # Not `dump_json`: a path in a reason may have lone surrogates, which UTF-8 can't encode.
        return json.dumps(plain, separators=(",", ":")).encode()


@router.get("/api/catalog", response_model=CatalogResponse, responses=describe_errors())
async def get_catalog(request: Request, services: CurrentServices) -> Response:
    """Return providers and models, backends, the sandbox, limits on files, and gallery tools."""
    services.catalog.wake()
    cache: CatalogCache = request.app.state.catalog
    content = await cache.encoded(describe_catalog(services))
    return Response(content, media_type="application/json")


def describe_catalog(services: Services) -> CatalogResponse:
    """Return what the server offers now."""
    return CatalogResponse(
        providers=tuple(_provider(services, id_) for id_ in PROVIDERS),
        backends=_backends(services),
        sandbox=services.sandbox.report,
        files=FileLimits(MAX_FILES, MAX_BYTES, (PROGRAM, TEMPORARY_NAME)),
        egress=EgressEntry(tuple(services.settings.egress_allow)),
        tools=gallery(),
        defaults=SpecDefaults(),
        code_max_bytes=CODE_MAX_BYTES,
    )


def _provider(services: Services, id_: ProviderEnum) -> ProviderEntry:
    provider, catalog = PROVIDERS[id_], services.catalog
    return ProviderEntry(
        id=provider.id,
        label=provider.label,
        key_env=provider.key_env,
        key_configured=services.keys.key(id_) is not None,
        default_model=provider.default_model,
        answerer=provider_answerer(id_, services.keys),
        takes_base_url=provider.own_servers,
        servers=_own_servers(services) if provider.own_servers else (),
        refreshed_at=catalog.refreshed_at(id_),
        refresh_note=catalog.refresh_note(id_),
        models=catalog.current().models(id_),
    )


def _own_servers(services: Services) -> tuple[OwnServer, ...]:
    servers = services.settings.own_servers
    return tuple(
        OwnServer(
            base_url=server.base_url,
            key_env=server.key_variable,
            key_configured=server_key(server, services.keys) is not None,
            answerer=server_answerer(server.base_url, servers, services.keys),
        )
        for server in servers.values()
    )


def _backends(services: Services) -> tuple[BackendEntry, ...]:
    has_key = any(services.keys.key(id_) for id_ in PROVIDERS)
    has_provider = has_key or bool(services.settings.own_servers)
    names = " or ".join(provider.key_env for provider in PROVIDERS.values())
    no_key = None if has_provider else f"no key: set {names} in the environment or .env"
    no_model = services.local_model.why_unavailable()
    return _backend(services, "provider", no_key), _backend(services, "local", no_model)


def _backend(services: Services, id_: Backend, reason: str | None) -> BackendEntry:
    label = backend_label(id_, services.local_model)
    return BackendEntry(id_, label, reason is None, reason, MAX_TOKENS if id_ == "local" else None)
