"""Code from outside is parsed by few threads, and few requests wait for them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from llm_agent_builder.errors import ReadersBusyError
from server.parser_pool import ParserPool


def test_client_without_a_free_slot_is_asked_to_retry() -> None:
    async def crowd() -> None:
        pool, go = ParserPool(threads=1, admitted=2), threading.Event()
        waiting = [asyncio.create_task(pool.run(go.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ReadersBusyError) as caught:
            await pool.run(go.wait)
        assert caught.value.retry_after >= 1
        assert await asyncio.to_thread(lambda: "others go on") == "others go on"
        waiting[0].cancel()  # its thread works on: no place is free yet
        await asyncio.sleep(0)
        with pytest.raises(ReadersBusyError):
            await pool.run(go.wait)
        go.set()
        assert await waiting[1]
        assert await pool.run(lambda: "read") == "read"
        pool.close()

    asyncio.run(crowd())
