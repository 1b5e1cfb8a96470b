"""The base of what users and clients write: specs, requests and recordings."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from llm_agent_builder.validation.text import few_keys


class StrictModel(BaseModel):
    """An unchangeable mapping of known fields; one with very many keys gets one problem."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, value: Any) -> Any:
        return few_keys(value)
