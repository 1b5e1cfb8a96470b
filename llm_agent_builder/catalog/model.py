"""The catalog's data about one model of one provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from llm_agent_builder.catalog.capabilities import Capabilities
from llm_agent_builder.validation.text import MODEL_MAX_CHARS

EXTRA_MODELS = "AGENT_BUILDER_EXTRA_MODELS"
"""The setting by which users add models; the server and the command line read it."""


class Lifecycle(StrEnum):
    """The lifecycle of a model on the catalog's date."""

    CURRENT = "current"
    DEPRECATED = "deprecated"
    """Its provider has announced its retirement, usually with a date."""
    RETIRED = "retired"
    """The retirement date has passed: calls fail."""


class Origin(StrEnum):
    """The source of a model's entry."""

    SHIPPED = "shipped"
    """The installed SDK, or this package's curated list."""
    LIVE = "live"
    """The provider's list, fetched with the user's key."""
    SETTING = "setting"
    """A setting of the user."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, at the model's lowest tier."""

    input_per_mtok: float
    output_per_mtok: float


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider."""

    id: str
    label: str
    lifecycle: Lifecycle
    retires_on: date | None
    context_window: int | None
    """In tokens; None if unknown."""
    price: Price | None
    """None if unknown, or if it depends on the partner that serves the model."""
    capabilities: Capabilities = field(default_factory=Capabilities)
    origin: Origin = Origin.SHIPPED
    source: str = ""
    checked: date | None = None
    """The day on which the source was last checked, by a person or this program."""
    base_url: str | None = None
    """The base URL of its server, if that isn't the provider's own API."""
    note: str | None = None
    """A warning for the user, as a sentence without a full stop."""
    successors: tuple[str, ...] = ()
    """Ids of models to move to, best first; only for deprecated, retired or unavailable models."""


def is_line(value: object, longest: int = MODEL_MAX_CHARS) -> bool:
    """Return whether an untrusted value is one line of printable text."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= longest
        and value.isprintable()
        and value == value.strip()
    )
