"""The registry of providers: one row of plain data each.

What differs by provider and is more than data is a table with an entry for each of them, in the
module that uses it: by provider (templates, SDK terms, offline models) or by protocol (usage
readers, request shapes, error bodies). `tests/llm_agent_builder/test_providers.py` fails where an
entry is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ProviderEnum(StrEnum):
    """The ids of the providers, as the API, spec files and the command line write them."""

    ANTHROPIC = "anthropic"
    HUGGINGFACE = "huggingface"


class Protocol(StrEnum):
    """The shapes of requests and answers that providers' APIs have."""

    MESSAGES = "messages"
    """Anthropic's Messages API."""
    CHAT = "chat"
    """OpenAI's Chat Completions API, which most other servers have too."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The facts about one provider that the builder, the gateway and the page use."""

    id: ProviderEnum
    label: str
    protocol: Protocol
    template: str
    """File name under `llm_agent_builder/templates/`."""
    parts: str
    """The folder of the template's parts, beside it."""
    sdk_module: str
    """The import name of the official SDK."""
    sdk_requirement: str
    """PEP 508, as written into generated files; the tests run against this range."""
    key_variables: tuple[str, ...]
    """Environment variables that may contain the key; the first that is set is used."""
    base_url_variable: str
    """The environment variable by which a generated file is sent to another base URL."""
    upstream: str
    """The provider's own API, scheme and host."""
    api_path: str
    """The path of a model call."""
    default_model: str
    frame_tokens: int
    """Upper limit of the tokens that the provider's chat template adds around the messages."""
    image_tokens: int
    """Upper limit of the tokens of one image."""
    base_url_suffix: str = ""
    """The path that a base URL ends with; empty where the SDK adds /v1 itself."""
    count_path: str | None = None
    """The path that counts a request's tokens, which costs nothing; None: there is none."""
    marker_header: str | None = None
    """A header that only this provider's SDK sends; None: its requests have no such header."""
    own_key_variable: str | None = None
    """The environment variable for the key of a user's own server, whose address a spec gives as
    `base_url`; None: agents of this provider can't call such a server."""
    retries_by_itself: bool = False
    """Whether the SDK repeats failed calls."""
    max_tokens_unstreamed: int | None = None
    """The SDK refuses `max_tokens` above this unless the answer is streamed; None: never."""
    answer_requirements: tuple[str, ...] = ()
    """Packages that typed answers need besides the SDK, as PEP 508 writes them."""
    mcp_requirements: tuple[str, ...] = ()
    """Packages that MCP servers need besides the SDK's own extra."""
    choices: frozenset[str] = frozenset()
    """Optional fields of a spec that this provider's API accepts; the others are refused."""
    without_base_url: str | None = None
    """Advice for code whose SDK ignores the base URL variable; None: the SDK reads it."""
    price_prefix: str | None = None
    """How the price table's ids of the partners that serve its models begin; None: it serves its
    models itself."""
    lists_newest_first: bool = False
    """Whether its list of models is in the order of their release."""
    lists_every_model: bool = False
    """Whether a model that is missing in its list is served by nobody."""

    @property
    def key_env(self) -> str:
        """The variable that messages and docs name."""
        return self.key_variables[0]

    @property
    def base_url(self) -> str:
        """The base URL of the provider's own API."""
        return self.upstream + self.base_url_suffix

    @property
    def own_servers(self) -> bool:
        """Whether its agents can call a user's own server."""
        return self.own_key_variable is not None

    @property
    def caches_prompts(self) -> bool:
        """Whether a request can ask for its beginning to be cached, which has prices of its own."""
        return "cache_prompt" in self.choices


PROVIDERS: Mapping[ProviderEnum, Provider] = MappingProxyType(
    {
        provider.id: provider
        for provider in (
            Provider(
                id=ProviderEnum.ANTHROPIC,
                label="Anthropic",
                protocol=Protocol.MESSAGES,
                template="agent_template.py.j2",
                parts="anthropic",
                sdk_module="anthropic",
                sdk_requirement="anthropic>=2.12,<3",
                key_variables=("ANTHROPIC_API_KEY",),
                base_url_variable="ANTHROPIC_BASE_URL",
                upstream="https://api.anthropic.com",
                api_path="/v1/messages",
                default_model="claude-sonnet-5-5",
                frame_tokens=64,
                image_tokens=5_000,
                count_path="/v1/messages/count_tokens",
                marker_header="anthropic-version",
                retries_by_itself=True,
                # The limit depends on the model, from here to 21,333: _constants.py of the SDK.
                max_tokens_unstreamed=8192,
                mcp_requirements=("mcp>=1.24,<2",),
                choices=frozenset({"thinking", "effort", "cache_prompt"}),
                lists_newest_first=True,
            ),
            Provider(
                id=ProviderEnum.HUGGINGFACE,
                label="Hugging Face",
                protocol=Protocol.CHAT,
                template="agent_template_hf.py.j2",
                parts="huggingface",
                sdk_module="huggingface_hub",
                sdk_requirement="huggingface_hub>=2.4,<3",
                key_variables=("HUGGINGFACEHUB_API_TOKEN", "HF_TOKEN"),
                base_url_variable="HF_BASE_URL",
                own_key_variable="HF_API_KEY",
                base_url_suffix="/v1",
                upstream="https://router.huggingface.co",
                api_path="/v1/chat/completions",
                default_model="meta-llama/Llama-3.3-70B-Instruct",
                frame_tokens=256,
                # Qwen's vision models take the most, up to 16,384: the largest image of their
                # preprocessor_config.json, at 28 x 28 pixels a token.
                image_tokens=20_000,
                answer_requirements=("pydantic>=2.12,<3",),
                without_base_url=(
                    "Hugging Face's SDK does not look for another address by itself: pass "
                    'base_url=os.environ.get("HF_BASE_URL") to InferenceClient, as generated '
                    "files do"
                ),
                price_prefix="huggingface_",
                lists_every_model=True,
            ),
        )
    }
)
DEFAULT_PROVIDER = ProviderEnum.ANTHROPIC
"""The provider of an agent that names none."""
OWN_SERVER_PROVIDERS = tuple(provider for provider in PROVIDERS.values() if provider.own_servers)
"""The providers whose agents can call a user's own server."""
