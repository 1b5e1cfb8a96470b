"""Fetches a provider's list of models, page by page, with limits on size and time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
from yarl import URL

from llm_agent_builder.catalog.live import ModelListError, next_page, read_page
from llm_agent_builder.catalog.offline import sdk_api_version
from llm_agent_builder.providers import PROVIDERS, Protocol
from server.catalog.list_cache import Source
from server.net.upstreams import Pools, Upstream
from server.secret import Secret

MAX_PAGE = 4 * 1024 * 1024
"""Limit on one page in bytes; Hugging Face's list, the longest known one, has a tenth of it."""
MAX_PAGES = 20


@dataclass(frozen=True, slots=True)
class ListRequest:
    """How to request the list of models in a protocol."""

    headers: Callable[[], Mapping[str, str]]
    page_size: int | None
    """Models per page, as the query's `limit`; None: the list has only one page."""


LIST_REQUESTS: Mapping[Protocol, ListRequest] = {
    # Anthropic returns at most 1,000 at once.
    Protocol.MESSAGES: ListRequest(lambda: {"anthropic-version": sdk_api_version()}, 1000),
    Protocol.CHAT: ListRequest(dict, None),
}


class ListFailedError(Exception):
    """The list can't be fetched; `str()` is a message with the host and without the key."""


async def fetch_list(pools: Pools, source: Source, key: Secret, timeout_s: float) -> list[object]:
    """Return the pages of a list after checking that each is readable.

    `key` is only sent to the source's own host, and only if it is not empty. Takes at most
    `timeout_s` seconds.

    Raises:
        ListFailedError: the list can't be fetched or can't be read.

    """
    upstream = Upstream("provider", str(URL(source.url).origin()), key)
    try:
        async with asyncio.timeout(timeout_s):
            pool = await pools.take(upstream)
            try:
                return await _fetch_pages(pool.session, source, _headers(source, key))
            finally:
                await pool.release()
    except TimeoutError:
        raise ListFailedError(f"{source.host} did not answer within {timeout_s:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        # Not str(error): it may contain the URL of a proxy with its password.
        raise ListFailedError(f"no answer from {source.host} ({type(error).__name__})") from None


def _list_request(source: Source) -> ListRequest:
    return LIST_REQUESTS[PROVIDERS[source.provider].protocol]


def _headers(source: Source, key: Secret) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    headers |= _list_request(source).headers()
    if key.reveal():
        headers["Authorization"] = f"Bearer {key.reveal()}"
    return headers


async def _fetch_pages(
    session: aiohttp.ClientSession, source: Source, headers: Mapping[str, str]
) -> list[object]:
    pages: list[object] = []
    seen: set[str] = set()
    size = _list_request(source).page_size
    query = "" if size is None else f"?limit={size}"
    for _ in range(MAX_PAGES):
        page = await _fetch_page(session, source, query, headers)
        try:
            read_page(source.provider, page)
        except ModelListError as error:
            raise ListFailedError(f"{source.host}: {error}") from None
        pages.append(page)
        after = next_page(page) if query else None
        if after is None or after in seen:  # a list with circular links ends here
            return pages
        seen.add(after)
        query = f"?limit={size}&after_id={quote(after, safe='')}"
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
