"""The response to requests that are open when the server stops."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STOPPING = "the server is stopping; the history (GET /api/runs) shows how its runs ended"


class LastAnswers:
    """Middleware that answers 503 to requests that are cancelled before their response starts."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; answer 503 if uvicorn cancels it."""
        started = False

        async def forward(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, forward)
        except asyncio.CancelledError:
            if scope["type"] != "http" or started:
                raise
            answer = {"detail": _STOPPING, "code": "machinery_failed"}
            await JSONResponse(answer, 503)(scope, receive, send)
