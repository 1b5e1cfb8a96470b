"""Asks a provider which models it offers: one list, page by page, within bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import quote

import aiohttp
from yarl import URL

from llm_agent_builder.catalog.live import ModelListError, next_page, read_page
from llm_agent_builder.catalog.offline import sdk_api_version
from llm_agent_builder.providers import ProviderEnum
from server.catalog.sources import Source
from server.net.upstreams import Pools, Upstream
from server.secret import Secret

MAX_PAGE = 4 * 1024 * 1024
"""Bytes of one page; the longest list known, Hugging Face's, has a tenth of that."""
MAX_PAGES = 20
_PAGE_MODELS = 1000  # as many as Anthropic gives at once


class ListFailedError(Exception):
    """There is no list; `str()` is a sentence that names the host and never a key."""


async def fetch_list(pools: Pools, source: Source, key: Secret, patience: float) -> list[object]:
    """Return the pages of a list, each already found readable.

    `key` goes to the source's own host only, and not at all if it is empty. All of it takes at most
    `patience` seconds.

    Raises:
        ListFailedError: there is none, or it can't be read.

    """
    upstream = Upstream("provider", str(URL(source.url).origin()), key)
    try:
        async with asyncio.timeout(patience):
            pool = await pools.take(upstream)
            try:
                return await _fetch_pages(pool.session, source, _headers(source, key))
            finally:
                await pool.give_back()
    except TimeoutError:
        raise ListFailedError(f"{source.host} did not answer within {patience:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        # Not str(error): it may hold the URL of a proxy with its password.
        raise ListFailedError(f"no answer from {source.host} ({type(error).__name__})") from None


def _headers(source: Source, key: Secret) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if source.provider is ProviderEnum.ANTHROPIC:
        headers["anthropic-version"] = sdk_api_version()
    if key.reveal():
        headers["Authorization"] = f"Bearer {key.reveal()}"
    return headers


async def _fetch_pages(
    session: aiohttp.ClientSession, source: Source, headers: Mapping[str, str]
) -> list[object]:
    pages: list[object] = []
    seen: set[str] = set()
    query = f"?limit={_PAGE_MODELS}" if source.provider is ProviderEnum.ANTHROPIC else ""
    for _ in range(MAX_PAGES):
        page = await _fetch_page(session, source, query, headers)
        try:
            read_page(source.provider, page)
        except ModelListError as error:
            raise ListFailedError(f"{source.host}: {error}") from None
        pages.append(page)
        after = next_page(page) if query else None
        if after is None or after in seen:  # a list that leads in a circle has been read
            return pages
        seen.add(after)
        query = f"?limit={_PAGE_MODELS}&after_id={quote(after, safe='')}"
    raise ListFailedError(f"the list of {source.host} has more than {MAX_PAGES} pages")


async def _fetch_page(
    session: aiohttp.ClientSession, source: Source, query: str, headers: Mapping[str, str]
) -> object:
    url = URL(source.url + query, encoded=True)
    async with session.get(url, headers=headers, allow_redirects=False) as answer:
        if answer.status in {401, 403}:
            raise ListFailedError(f"{source.host} refused the key (HTTP {answer.status})")
        if answer.status != 200:
            raise ListFailedError(f"{source.host} answered HTTP {answer.status}")
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > MAX_PAGE:
                raise ListFailedError(f"the answer of {source.host} has more than 4 MiB")
    try:
        page: object = await asyncio.to_thread(json.loads, bytes(body))
    except (ValueError, RecursionError):
        raise ListFailedError(f"the answer of {source.host} is not JSON") from None
    return page
