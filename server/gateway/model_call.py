"""One finished model call, and its `model_call` event under OpenTelemetry's names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_agent_builder.metering.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A finished call as the gateway measured it; None: unknown. Times are in seconds."""

    operation: str
    """OpenTelemetry's name: "chat", "count_tokens" or "list_models"."""
    provider: str
    request_model: str | None = None
    max_tokens: int | None = None
    response_model: str | None = None
    response_id: str | None = None
    finish_reasons: list[str] | None = None
    usage: Usage | None = None
    status: int | None = None
    """The HTTP status of the response."""
    server_address: str | None = None
    error: str | None = None
    """The type of the error: the provider's, or the gateway's own such as "budget"."""
    backend: str | None = None
    time_to_first_chunk: float | None = None
    time_to_first_token: float | None = None
    duration: float = 0.0
    price_table: str | None = None
    """The price table for the cost, such as "genai-prices 0.2.3 (2026-11-09)"."""
    unpriced: bool = False
    """Whether the call may have cost an unknown amount of money."""
    refused: bool = False
    """Whether the gateway refused the call without sending it to a model."""
    cost_usd: float | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the data of the call's event: OpenTelemetry's GenAI names, then our own.

        Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
        """
        usage = self.usage
        return {
            "gen_ai.operation.name": self.operation,
            "gen_ai.provider.name": self.provider,
            "gen_ai.request.model": self.request_model,
            "gen_ai.request.max_tokens": self.max_tokens,
            "gen_ai.response.model": self.response_model,
            "gen_ai.response.id": self.response_id,
            "gen_ai.response.finish_reasons": self.finish_reasons,
            "gen_ai.usage.input_tokens": usage and usage.input_tokens,
            "gen_ai.usage.output_tokens": usage and usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage and usage.cached_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage and usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage and usage.reasoning_tokens,
            "http.response.status_code": self.status,
            "server.address": self.server_address,
            "error.type": self.error,
            "backend": self.backend,
            "time_to_first_chunk": self.time_to_first_chunk,
            "time_to_first_token": self.time_to_first_token,
            "duration": self.duration,
            "price_table": self.price_table,
            "unpriced": self.unpriced,
            "refused": self.refused,
            "cost_usd": self.cost_usd,
        }
