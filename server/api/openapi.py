"""The OpenAPI document: FastAPI's own, plus the schemas of events and the route /metrics."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from server.api.descriptions import add_descriptions
from server.api.errors import describe_errors
from server.api.events import RunEvent

__all__ = ["METRICS", "DescribedApp", "operation_id"]

_REF = "#/components/schemas/{model}"
METRICS: dict[str, Any] = {
    "tags": ["server"],
    "name": "get_metrics",
    "summary": "Get Metrics",
    "description": "Return the metrics in Prometheus's text format.",
    "response_class": Response,
    "responses": {
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **describe_errors(),
    },
}
"""The description of the route /metrics, which the instrumentation adds."""


def operation_id(route: APIRoute) -> str:
    """Return the name of a route's function: short, and the same in every version."""
    return route.name


class DescribedApp(FastAPI):
    """An app whose document also has the schemas of events, and is encoded only once.

    FastAPI's own server-sent events encode each event as a whole, with its lines in another order;
    `sse.py` sends large events in pieces, as fast as the client reads.
    """

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            _, events = models_json_schema([(RunEvent, "serialization")], ref_template=_REF)
            schemas |= {name: each for name, each in events["$defs"].items() if name not in schemas}
            add_descriptions(schemas)
            document["components"]["schemas"] = dict(sorted(schemas.items()))
        return self.openapi_schema or {}

    def setup(self) -> None:
        """Add the document's route. FastAPI's own would encode 100 KB for each request."""
        encoded = lru_cache(maxsize=2)(self._encode)

        async def document(request: Request) -> Response:
            root_path = request.scope.get("root_path", "").rstrip("/")
            return Response(encoded(root_path), media_type="application/json")

        self.add_route("/openapi.json", document, include_in_schema=False)

    def _encode(self, root_path: str) -> bytes:
        """Return the document as JSON, for clients that reach the server under `root_path`."""
        servers = {"servers": [{"url": root_path}]} if root_path else {}
        return bytes(JSONResponse({**self.openapi(), **servers}).body)
