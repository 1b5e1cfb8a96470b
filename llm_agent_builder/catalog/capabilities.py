"""The capabilities of each model, which limit the settings of agents.

This is offline data, from the installed packages and `CLAUDE`; unknown values are None. A
provider's own answer (`live.py`) takes precedence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from llm_agent_builder.metering.prices import context_window, has_cache_price
from llm_agent_builder.providers import ProviderEnum

EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""All levels of effort, lowest first."""
THINKING = ("adaptive", "disabled", "between_tools")
"""The types of thinking that an agent can set; `enabled`, with a token budget, is outdated."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The capabilities of a model. None means unknown; an empty tuple means not supported."""

    max_output_tokens: int | None = None
    """The maximum of `max_tokens`."""
    thinking: tuple[str, ...] | None = None
    """The values of `THINKING` that the API accepts; only adaptive if the model always thinks."""
    effort: tuple[str, ...] | None = None
    """The values of `EFFORTS` that the API accepts."""
    effort_without_thinking: tuple[str, ...] | None = None
    """The values accepted together with `disabled` or `between_tools`."""
    typed_answers: bool | None = None
    """Whether answers can be constrained to a schema."""
    tools: bool | None = None
    prompt_caching: bool = False
    """Whether prompt caching is available; False if unknown."""

    def problems(
        self,
        *,
        max_tokens: int | None = None,
        thinking: str | None = None,
        effort: str | None = None,
    ) -> dict[str, str]:
        """Return the settings that the model would refuse: a message for the user, by field."""
        found = {}
        if max_tokens and self.max_output_tokens and max_tokens > self.max_output_tokens:
            found["max_tokens"] = (
                f"is {max_tokens:,}; the model's limit is {self.max_output_tokens:,}"
            )
        if thinking and self.thinking is not None and thinking not in self.thinking:
            found["thinking"] = _not_offered(thinking, self.thinking)
        if effort and self.effort is not None and effort not in self.effort:
            found["effort"] = _not_offered(effort, self.effort)
        elif effort and thinking in {"disabled", "between_tools"}:
            allowed = self.effort_without_thinking
            if allowed is not None and effort not in allowed:
                found["effort"] = f"{_not_offered(effort, allowed)} (thinking is {thinking})"
        return found


def _not_offered(value: str, offered: Sequence[str]) -> str:
    choice = f"the model takes {', '.join(offered)}" if offered else "the model doesn't support it"
    return f"{value!r} is not offered: {choice}"


@dataclass(frozen=True, slots=True)
class ClaudeFamily:
    """A version of a Claude line; all its snapshots have the same capabilities."""

    family: str
    """The model id without the snapshot date."""
    source: str
    checked: date
    capabilities: Capabilities
    by_invitation: bool = False
    """Whether only selected organizations may call it; it is not suggested to others."""


_ALWAYS = ("adaptive",)
_EITHER = ("adaptive", "disabled")
_BETWEEN = ("adaptive", "between_tools")
_OFF = ("disabled",)
_NO_XHIGH = ("low", "medium", "high", "max")
_UP_TO_HIGH = ("low", "medium", "high")
_DOCS = "https://platform.claude.com/docs/en/"
_CHECKED = date(2026, 11, 26)


def _row(
    family: str,
    page: str,
    output: int | None,
    thinking: tuple[str, ...],
    effort: tuple[str, ...],
    effort_without_thinking: tuple[str, ...] = (),
    *,
    typed: bool | None = True,
) -> ClaudeFamily:
    capabilities = Capabilities(
        output, thinking, effort, effort_without_thinking, typed, tools=True, prompt_caching=True
    )
    return ClaudeFamily(family, _DOCS + page, _CHECKED, capabilities)


# Besides the page named, each row is from build-with-claude/thinking, /effort, /structured-outputs
# and /prompt-caching. Newest first.
_ROWS: Sequence[ClaudeFamily] = (
    _row("claude-fable-5-2", "models/fable-5-2/migration-guide", 128_000, _ALWAYS, EFFORTS),
    _row("claude-haiku-5-5", "models/haiku-5-5/overview", 128_000, _EITHER, EFFORTS, _UP_TO_HIGH),
    _row("claude-sonnet-5-5", "release-notes/overview", 128_000, _BETWEEN, EFFORTS, _UP_TO_HIGH),
    _row("claude-fable-5-1", "models/fable-5-1/overview", 128_000, _ALWAYS, EFFORTS),
    _row("claude-opus-5-5", "models/opus-5-5/whats-new-opus-5-5", 128_000, _ALWAYS, EFFORTS),
    _row("claude-sonnet-5", "models/sonnet-5/migration-guide", 128_000, _EITHER, EFFORTS, EFFORTS),
    _row("claude-fable-5", "models/fable-5/overview", 128_000, _ALWAYS, EFFORTS),
    _row("claude-opus-5", "models/opus-5/overview", 128_000, _EITHER, EFFORTS, _UP_TO_HIGH),
    _row("claude-opus-4-8", "models/opus-5/migration-guide", 128_000, _EITHER, EFFORTS, EFFORTS),
    _row("claude-opus-4-7", "build-with-claude/thinking", 128_000, _EITHER, EFFORTS, EFFORTS),
    _row("claude-opus-4-6", "build-with-claude/effort", 128_000, _EITHER, _NO_XHIGH, _NO_XHIGH),
    _row("claude-sonnet-4-6", "build-with-claude/effort", 128_000, _EITHER, _NO_XHIGH, _NO_XHIGH),
    _row("claude-haiku-4-5", "about-claude/models/overview", 64_000, _OFF, ()),
    _row("claude-opus-4-5", "build-with-claude/effort", 64_000, _OFF, _UP_TO_HIGH, _UP_TO_HIGH),
    _row("claude-sonnet-4-5", "about-claude/models/overview", 64_000, _OFF, ()),
    _row("claude-3-5-haiku", "about-claude/model-deprecations", 8_192, _OFF, (), typed=False),
)
_PREVIEW = _row(
    "claude-mythos-preview", "build-with-claude/effort", None, _ALWAYS, _NO_XHIGH, typed=None
)
# "The same capabilities, for chosen organisations": one Mythos for each Fable.
_MYTHOS = [
    replace(row, family=row.family.replace("fable", "mythos"), by_invitation=True)
    for row in _ROWS
    if row.family.startswith("claude-fable-")
]
CLAUDE: Sequence[ClaudeFamily] = (*_ROWS, *_MYTHOS, replace(_PREVIEW, by_invitation=True))
_BY_FAMILY: Mapping[str, ClaudeFamily] = {row.family: row for row in CLAUDE}
_SNAPSHOT = re.compile(r"[-@]\d{8}$")


def family_of(model_id: str) -> str:
    """Return a model id without its snapshot date."""
    return _SNAPSHOT.sub("", model_id)


def claude_family(model_id: str) -> ClaudeFamily | None:
    """Return the family of an Anthropic model, or None if unknown."""
    return _BY_FAMILY.get(family_of(model_id))


def _claude_capabilities(model: str, today: date) -> Capabilities:
    family = claude_family(model)
    if family is not None:
        return family.capabilities
    caches = has_cache_price(ProviderEnum.ANTHROPIC, model, today)
    return Capabilities(prompt_caching=caches)


def _open_model_capabilities(model: str, today: date) -> Capabilities:
    """Return only the API's own limits.

    The capabilities of Hugging Face's models depend on the partner; only its API reports them.
    """
    return Capabilities(thinking=(), effort=(), effort_without_thinking=())


def capabilities(provider: ProviderEnum, model: str, today: date) -> Capabilities:
    """Return a model's capabilities from offline data, on `today`."""
    return KNOWN[provider].capabilities(model, today)


def longest_answer(provider: ProviderEnum, model: str, today: date) -> int | None:
    """Return the maximum tokens of an answer from offline data, or None if unknown."""
    limit = capabilities(provider, model, today).max_output_tokens
    return limit or context_window(provider, model)


_NEVER_THINK = re.compile(
    r"meta-llama/(meta-)?llama-3|mistralai/(mistral-7b|mixtral-8x)|google/gemma-[23]-"
    r"|qwen/qwen2\.5-(?!.*qwq)|qwen/qwen3-[^:]*-instruct-2507|deepseek-ai/deepseek-v3-0324",
    re.IGNORECASE,
)
"""Id prefixes of Hugging Face models that don't think, according to their model cards."""


def may_think_unseen(provider: ProviderEnum, model: str, requested: str | None) -> bool:
    """Return whether a model may write text that a stream does not show, such as its thinking.

    `requested` is the request's type of thinking, or the field that turns thinking on. Every model
    counts as thinking unless known otherwise: many think without being asked.
    """
    return KNOWN[provider].may_think(model, requested)


def _open_model_may_think(model: str, requested: str | None) -> bool:
    return requested is not None or _NEVER_THINK.match(model) is None


def _claude_may_think(model: str, requested: str | None) -> bool:
    family = claude_family(model)
    choices = family.capabilities.thinking if family is not None else None
    if requested == "disabled":
        return choices is not None and "disabled" not in choices
    return requested is not None or choices != _OFF


@dataclass(frozen=True, slots=True)
class KnownCapabilities:
    """The offline knowledge of one provider's models."""

    capabilities: Callable[[str, date], Capabilities]
    may_think: Callable[[str, str | None], bool]


KNOWN: Mapping[ProviderEnum, KnownCapabilities] = {
    ProviderEnum.ANTHROPIC: KnownCapabilities(_claude_capabilities, _claude_may_think),
    ProviderEnum.HUGGINGFACE: KnownCapabilities(_open_model_capabilities, _open_model_may_think),
}
