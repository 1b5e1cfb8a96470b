"""What the catalog says of a spec: whether the model is offered, and does what is asked of it."""

from __future__ import annotations

from llm_agent_builder.catalog.capabilities import Capabilities
from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.errors import SpecError
from llm_agent_builder.spec.agent_spec import AgentSpec


def checked_spec(spec: AgentSpec, catalog: Catalog) -> AgentSpec:
    """Return the spec, with the address of a model that the catalog has at one of its own.

    What a server of the user's own offers is the user's to know: with a `base_url` nothing is
    checked.

    Raises:
        UnknownModelError: the provider doesn't offer the model.
        SpecError: the model can't do what is asked of it; names the first field, says all.

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
