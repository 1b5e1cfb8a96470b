"""The providers: one row of plain data each. Nothing else here knows their facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ProviderEnum(StrEnum):
    """The ids of the providers, as they stand in the API, the spec and the command line."""

    ANTHROPIC = "anthropic"
    HUGGINGFACE = "huggingface"


@dataclass(frozen=True, slots=True)
class Provider:
    """What the builder, the gateway and the page need to know of one provider."""

    id: ProviderEnum
    label: str
    template: str
    """File name under `llm_agent_builder/templates/`."""
    sdk_module: str
    """The import name of the official SDK."""
    sdk_requirement: str
    """PEP 508, as written into the generated file; the range that the tests run against."""
    key_variables: tuple[str, ...]
    """Environment variables that may hold the key, first match wins."""
    base_url_variable: str
    """Where a generated file looks for another base URL."""
    own_key_variable: str | None
    """Where a generated file looks for the key of a server of its user's own."""
    base_url_suffix: str
    """What such a base URL ends with, after the host: the Anthropic SDK adds /v1 by itself."""
    upstream: str
    """The provider's own API, scheme and host."""
    api_path: str
    """The path of a model call."""
    default_model: str
    parts: str = ""
    """What the names of the template's parts begin with."""
    retries_by_itself: bool = False
    """Whether the SDK makes failed calls again."""
    max_tokens_unstreamed: int | None = None
    """Answers that may be longer have to come as a stream; None: there is no such bound."""
    answer_requirements: tuple[str, ...] = ()
    """What typed answers need beside the SDK, as PEP 508 writes it."""
    mcp_requirements: tuple[str, ...] = ()
    """What MCP servers need beside the SDK's own extra."""
    choices: frozenset[str] = frozenset()
    """Fields of a spec that only this provider's API knows."""
    without_base_url: str | None = None
    """What to tell whose own code doesn't come to the gateway; None: the SDK does so by itself."""

    @property
    def key_env(self) -> str:
        """The variable that messages and docs name."""
        return self.key_variables[0]


PROVIDERS: Mapping[ProviderEnum, Provider] = MappingProxyType(
    {
        provider.id: provider
        for provider in (
            Provider(
                id=ProviderEnum.ANTHROPIC,
                label="Anthropic",
                template="agent_template.py.j2",
                sdk_module="anthropic",
                sdk_requirement="anthropic>=2.12,<3",
                key_variables=("ANTHROPIC_API_KEY",),
                base_url_variable="ANTHROPIC_BASE_URL",
                own_key_variable=None,
                base_url_suffix="",
                upstream="https://api.anthropic.com",
                api_path="/v1/messages",
                default_model="claude-sonnet-5-5",
                parts="anthropic",
                retries_by_itself=True,
                # Its bound depends on the model, from here to 21,333: _constants.py of the SDK.
                max_tokens_unstreamed=8192,
                mcp_requirements=("mcp>=1.24,<2",),
                choices=frozenset({"thinking", "effort", "cache_prompt"}),
            ),
            Provider(
                id=ProviderEnum.HUGGINGFACE,
                label="Hugging Face",
                template="agent_template_hf.py.j2",
                sdk_module="huggingface_hub",
                sdk_requirement="huggingface_hub>=2.4,<3",
                key_variables=("HUGGINGFACEHUB_API_TOKEN", "HF_TOKEN"),
                base_url_variable="HF_BASE_URL",
                own_key_variable="HF_API_KEY",
                base_url_suffix="/v1",
                upstream="https://router.huggingface.co",
                api_path="/v1/chat/completions",
                default_model="meta-llama/Llama-3.3-70B-Instruct",
                parts="huggingface",
                answer_requirements=("pydantic>=2.12,<3",),
                without_base_url=(
                    "Hugging Face's SDK does not look for another address by itself: pass "
                    'base_url=os.environ.get("HF_BASE_URL") to InferenceClient, as generated '
                    "files do"
                ),
            ),
        )
    }
)
