"""One model of one provider: everything the catalog says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from llm_agent_builder.catalog.capabilities import Capabilities
from llm_agent_builder.validation.text import MODEL_MAX_CHARS

EXTRA_MODELS = "AGENT_BUILDER_EXTRA_MODELS"
"""The setting by which users add models; the server and the command line read it."""


class Lifecycle(StrEnum):
    """Where a model is in its life, on the date the catalog was made for."""

    CURRENT = "current"
    DEPRECATED = "deprecated"
    """Its provider has said that it ends, mostly with the day."""
    RETIRED = "retired"
    """That day has come: calls to the provider fail."""


class Origin(StrEnum):
    """Who says that there is such a model."""

    SHIPPED = "shipped"
    """What is installed: the SDK, or this package's own short list."""
    LIVE = "live"
    """The provider itself, asked with the user's key."""
    SETTING = "setting"
    """The user, by a setting."""


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
    """Tokens; None where no source says."""
    price: Price | None
    """None where no source says, or where it depends on who serves the model."""
    capabilities: Capabilities = field(default_factory=Capabilities)
    origin: Origin = Origin.SHIPPED
    source: str = ""
    checked: date | None = None
    """The day on which somebody, or this program, last looked at the source."""
    base_url: str | None = None
    """Where the model is served, when that isn't its provider's own API."""
    note: str | None = None
    """What a user should know before choosing it, as a sentence without its end."""
    successors: tuple[str, ...] = ()
    """Ids to move to, best first; only of models that end or have ended."""


def is_line(value: object, longest: int = MODEL_MAX_CHARS) -> bool:
    """Return whether a value from outside is one line of text that can be shown."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= longest
        and value.isprintable()
        and value == value.strip()
    )
