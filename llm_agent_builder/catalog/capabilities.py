"""What each model can do, as its provider says: what an agent may ask of it.

Offline, so far as the installed packages and `CLAUDE` know; what nobody says is None. What a
provider itself answers (`live.py`) goes before this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from llm_agent_builder.metering.prices import context_window, has_cache_price
from llm_agent_builder.providers import ProviderEnum

EFFORTS = ("low", "medium", "high", "xhigh", "max")
"""Every level of effort there is, least first."""
THINKING = ("adaptive", "disabled", "between_tools")
"""The types of thinking that an agent may set; `enabled`, with a budget of tokens, is the past."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one model can do. None: not known; an empty tuple: known to have no such choice."""

    max_output_tokens: int | None = None
    """The most that `max_tokens` may be."""
    thinking: tuple[str, ...] | None = None
    """Which of `THINKING` the API accepts; adaptive alone: the model always thinks."""
    effort: tuple[str, ...] | None = None
    """Which of `EFFORTS` the API accepts."""
    effort_without_thinking: tuple[str, ...] | None = None
    """Which of them it accepts together with `disabled` or `between_tools`."""
    typed_answers: bool | None = None
    """Whether an answer can be held to a schema."""
    tools: bool | None = None
    prompt_caching: bool = False
    """Whether a request can ask for its beginning to be kept; known or not offered."""

    def problems(
        self,
        *,
        max_tokens: int | None = None,
        thinking: str | None = None,
        effort: str | None = None,
    ) -> dict[str, str]:
        """Return what the model would refuse, by field, in a user's words."""
        found = {}
        if max_tokens and self.max_output_tokens and max_tokens > self.max_output_tokens:
            found["max_tokens"] = f"is {max_tokens:,}; the model writes {self.max_output_tokens:,}"
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
    """One version of one line of Claude: all its snapshots can do the same."""

    family: str
    """A model's id without the date of its snapshot."""
    source: str
    checked: date
    capabilities: Capabilities
    by_invitation: bool = False
    """Whether only chosen organisations may call it: it is suggested to nobody else."""


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
# "The same capabilities, for chosen organisations": each Mythos beside its Fable.
_MYTHOS = [
    replace(row, family=row.family.replace("fable", "mythos"), by_invitation=True)
    for row in _ROWS
    if row.family.startswith("claude-fable-")
]
CLAUDE: Sequence[ClaudeFamily] = (*_ROWS, *_MYTHOS, replace(_PREVIEW, by_invitation=True))
_BY_FAMILY: Mapping[str, ClaudeFamily] = {row.family: row for row in CLAUDE}
_SNAPSHOT = re.compile(r"[-@]\d{8}$")


def family_of(model_id: str) -> str:
    """Return an id without the date of its snapshot."""
    return _SNAPSHOT.sub("", model_id)


def claude_family(model_id: str) -> ClaudeFamily | None:
    """Return what is known of the family of one of Anthropic's models, or None."""
    return _BY_FAMILY.get(family_of(model_id))


def _claude_capabilities(model: str, today: date) -> Capabilities:
    family = claude_family(model)
    if family is not None:
        return family.capabilities
    caches = has_cache_price(ProviderEnum.ANTHROPIC, model, today)
    return Capabilities(prompt_caching=caches)


def _open_model_capabilities(model: str, today: date) -> Capabilities:
    """Return no more than the API's own limits.

    What Hugging Face's models can do depends on the partner that serves them: only its API says.
    """
    return Capabilities(thinking=(), effort=(), effort_without_thinking=())


def capabilities(provider: ProviderEnum, model: str, today: date) -> Capabilities:
    """Return what a model can do as far as it is known offline on `today`."""
    return KNOWN[provider].capabilities(model, today)


def longest_answer(provider: ProviderEnum, model: str, today: date) -> int | None:
    """Return how many tokens an answer can have at most, as far as that is known offline."""
    said = capabilities(provider, model, today).max_output_tokens
    return said or context_window(provider, model)


_NEVER_THINK = re.compile(
    r"meta-llama/(meta-)?llama-3|mistralai/(mistral-7b|mixtral-8x)|google/gemma-[23]-"
    r"|qwen/qwen2\.5-(?!.*qwq)|qwen/qwen3-[^:]*-instruct-2507|deepseek-ai/deepseek-v3-0324",
    re.IGNORECASE,
)
"""How the ids of Hugging Face's models begin whose cards know of no thinking before the answer."""


def may_think_unseen(provider: ProviderEnum, model: str, said: str | None) -> bool:
    """Return whether a model may write text that a stream does not show, such as its thinking.

    `said` is the type of thinking that a request names, or how it asks for any. Every model is
    taken to think unless it is known not to: many think without being asked.
    """
    return KNOWN[provider].may_think(model, said)


def _open_model_may_think(model: str, said: str | None) -> bool:
    return said is not None or _NEVER_THINK.match(model) is None


def _claude_may_think(model: str, said: str | None) -> bool:
    family = claude_family(model)
    choices = family.capabilities.thinking if family is not None else None
    if said == "disabled":
        return choices is not None and "disabled" not in choices
    return said is not None or choices != _OFF


@dataclass(frozen=True, slots=True)
class KnownCapabilities:
    """The offline knowledge of one provider's models."""

    capabilities: Callable[[str, date], Capabilities]
    may_think: Callable[[str, str | None], bool]


KNOWN: Mapping[ProviderEnum, KnownCapabilities] = {
    ProviderEnum.ANTHROPIC: KnownCapabilities(_claude_capabilities, _claude_may_think),
    ProviderEnum.HUGGINGFACE: KnownCapabilities(_open_model_capabilities, _open_model_may_think),
}
