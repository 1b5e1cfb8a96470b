"""The OpenAPI document: FastAPI's own, plus the schemas of events and the route /metrics."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

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
    """An app whose document also has the schemas of events.

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
            document["components"]["schemas"] = dict(sorted(schemas.items()))
        return self.openapi_schema or {}
