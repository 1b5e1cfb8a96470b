"""What a client gets whose request the end of the server cuts off."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STOPPING = "the server is stopping; how its runs ended is in the history (GET /api/runs)"


class LastAnswers:
    """Answers requests that the server's end cuts off before their answers have begun."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass; answer it with 503 where uvicorn cancels it."""
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except asyncio.CancelledError:
            if scope["type"] != "http" or begun:
                raise
            answer = {"detail": _STOPPING, "code": "machinery_failed"}
            await JSONResponse(answer, 503)(scope, receive, send)
