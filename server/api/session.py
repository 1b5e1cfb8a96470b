"""The route for signing in with a browser."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from server.api.bodies import SmallBodyRoute
from server.api.dependencies import CurrentServices
from server.api.errors import BODY_ERRORS, describe_errors
from server.api.security import COOKIE, session_cookie, token_matches
from server.models import SessionRequest

__all__ = ["router"]

router = APIRouter(route_class=SmallBodyRoute, tags=["server"])


@router.post(
    "/api/session",
    status_code=204,
    responses=describe_errors(*BODY_ERRORS, "token_required", protected=False),
)
async def sign_in(services: CurrentServices, body: SessionRequest) -> Response:
    """Save the access token in a cookie that scripts can't read."""
    token = services.settings.token
    if token is not None and not token_matches(body.token.encode("utf-8", "replace"), token):
        return JSONResponse({"detail": "wrong access token", "code": "token_required"}, 401)
    response = Response(status_code=204)
    if token is not None:
        response.set_cookie(COOKIE, session_cookie(token), httponly=True, samesite="strict")
    return response
