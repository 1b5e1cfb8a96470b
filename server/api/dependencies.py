"""The shared state of an app, and how routes get it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from server.api.bodies import Bodies
from server.api.large_answers import LargeAnswers
from server.api.sse import Readers
from server.services import Services

__all__ = ["CurrentServices", "add_state", "get_services"]


def add_state(app: FastAPI) -> None:
    """Add the shared limits of all routes to an app. `services` is added once the server runs."""
    app.state.bodies = Bodies()
    app.state.readers = Readers()
    app.state.described_runs = LargeAnswers(4)  # up to 6 MiB each, if all code is escaped
    app.state.run_files = LargeAnswers(4)  # up to 4 MiB each
    app.state.cassettes = LargeAnswers(2)  # up to 16 MiB each, twice that while they are encoded


async def get_services(request: Request) -> Services:  # async: others are called in a thread
    """Return the services of the server that answers the request."""
    services: Services = request.app.state.services
    return services


CurrentServices = Annotated[Services, Depends(get_services)]
"""The type of a route's parameter that gets the running services."""
