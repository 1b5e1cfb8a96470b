"""Checks a spec against the catalog: whether its model exists and supports its settings."""

from __future__ import annotations

from llm_agent_builder.catalog.capabilities import Capabilities
from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.errors import SpecError
from llm_agent_builder.spec.agent_spec import AgentSpec


def checked_spec(spec: AgentSpec, catalog: Catalog) -> AgentSpec:
    """Check a spec's model; return the spec with the catalog's base URL for that model, if any.

    With a `base_url` nothing is checked, as the models of a user's own server are unknown.

    Raises:
        UnknownModelError: the provider doesn't offer the model.
        SpecError: the model doesn't support a setting; names the first field, lists all problems.

    """
    if spec.base_url is not None:
        return spec
    catalog.require_allowed(spec.provider, spec.model)
    problems = _problems(spec, catalog.capabilities(spec.provider, spec.model))
    if problems:
        (field, first), *rest = [
            (name, f"{problem} ({spec.model})") for name, problem in problems.items()
        ]
        raise SpecError(field, first, rest)
    model = catalog.find(spec.provider, spec.model)
    base_url = model.base_url if model else None
    return spec.model_copy(update={"base_url": base_url}) if base_url else spec


def _problems(spec: AgentSpec, can: Capabilities) -> dict[str, str]:
    found = can.problems(max_tokens=spec.max_tokens, thinking=spec.thinking, effort=spec.effort)
    if spec.tools and can.tools is False:
        found["tools"] = "the model can't call tools"
    if spec.mcp_servers and can.tools is False:
        found["mcp_servers"] = "the model can't call tools"
    if spec.answer is not None and can.typed_answers is False:
        found["answer"] = "the model doesn't support typed answers"
    return found
