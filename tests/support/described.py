"""Checks answers of a server against its own OpenAPI document."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from tests.support.api_client import events_of

Operation = tuple[str, str]
"""A method in lower case, and a path of the document."""


class Described:
    """An OpenAPI document in which no object has fields that it doesn't describe."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = copy.deepcopy(document)
        for schema in self.document["components"]["schemas"].values():
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)

    def operations(self) -> dict[Operation, dict[str, Any]]:
        """Return all operations."""
        paths = self.document["paths"].items()
        return {(method, path): each for path, item in paths for method, each in item.items()}

    def problems(self, operation: Operation, answer: httpx.Response) -> list[str]:
        """Return how an answer differs from its description; its status must be described."""
        responses = self.operations()[operation]["responses"]
        described = responses.get(str(answer.status_code))
        if described is None:
            return [f"{operation}: {answer.status_code} is not described: {answer.text[:200]}"]
        content = described.get("content", {})
        if not content:
            return [f"{operation}: a body without description"] if answer.content else []
        media_type = answer.headers["Content-Type"].partition(";")[0]
        if media_type not in content:
            return [f"{operation}: {media_type} is not described"]
        found = [
            problem
            for value in _values(media_type, answer)
            for problem in self._mismatches(content[media_type]["schema"], value)
        ]
        return [f"{operation} {answer.status_code}: {problem}" for problem in found]

    def _mismatches(self, schema: dict[str, Any], value: Any) -> Iterator[str]:
        root = {**schema, "components": self.document["components"]}
        for error in Draft202012Validator(root).iter_errors(value):
            yield f"{error.json_path}: {error.message[:400]}"


def _values(media_type: str, answer: httpx.Response) -> list[Any]:
    if media_type == "application/json":
        return [answer.json()]
    if media_type == "text/event-stream":
        events = events_of(answer.text)
        return [{"id": seq, "event": kind, "data": data} for seq, kind, data in events]
    return [answer.text]
