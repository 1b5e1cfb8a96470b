"""The catalog: the models that each provider offers on a day; only these are allowed.

A `Catalog` combines three sources: offline data (`offline.py`), the providers' answers
(`live.py`), and models that users add by setting (`extra.py`). The functions of this module use
offline data only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import TypeVar

from llm_agent_builder.catalog.capabilities import Capabilities
from llm_agent_builder.catalog.capabilities import capabilities as offline_capabilities
from llm_agent_builder.catalog.extra import ExtraModel
from llm_agent_builder.catalog.live import LiveList, LiveModel
from llm_agent_builder.catalog.model import EXTRA_MODELS, Lifecycle, Model, Origin, Price
from llm_agent_builder.catalog.offline import (
    CURATED,
    OFFLINE,
    lifecycle,
    sdk_model_ids,
    sdk_retirements,
    shipped_models,
    table_context,
    table_price,
)
from llm_agent_builder.catalog.successors import successors
from llm_agent_builder.errors import UnknownModelError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.validation.suggestions import nearest

__all__ = [
    "CURATED",
    "Capabilities",
    "Catalog",
    "Lifecycle",
    "Model",
    "Origin",
    "Price",
    "allowed_model_ids",
    "capabilities",
    "lifecycle_warning",
    "models",
    "require_allowed",
    "sdk_model_ids",
    "sdk_retirements",
]

_MOST_NAMED = 40
"""Limit of the models that a refusal lists; Hugging Face serves more than a hundred."""

Value = TypeVar("Value")


class Catalog:
    """All models on one day; immutable."""

    def __init__(
        self, today: date, live: Sequence[LiveList] = (), extra: Sequence[ExtraModel] = ()
    ) -> None:
        self.today = today
        self._models = {id_: _listed(id_, today, live, extra) for id_ in ProviderEnum}
        self._by_id = {
            id_: {model.id: model for model in listed} for id_, listed in self._models.items()
        }

    def models(self, provider: ProviderEnum) -> tuple[Model, ...]:
        """Return the models of `provider`.

        The user's own models come first, then the newest and most used; deprecated and retired ones
        come last.
        """
        return self._models[provider]

    def ids(self, provider: ProviderEnum) -> Collection[str]:
        """Return the ids of the allowed models."""
        return self._by_id[provider].keys()

    def find(self, provider: ProviderEnum, model_id: str) -> Model | None:
        """Return the model with this id, or None."""
        return self._by_id[provider].get(model_id)

    def capabilities(self, provider: ProviderEnum, model_id: str) -> Capabilities:
        """Return a model's capabilities; for an unlisted model, those that can be derived."""
        model = self.find(provider, model_id)
        return model.capabilities if model else capabilities(provider, model_id, self.today)

    def warning(self, provider: ProviderEnum, model_id: str) -> str | None:
        """Return a sentence about a deprecated, retired or unavailable model, or None."""
        model = self.find(provider, model_id)
        if model is None or model.lifecycle is Lifecycle.CURRENT:
            return model.note if model else None
        if model.lifecycle is Lifecycle.RETIRED:
            when = f" on {model.retires_on}" if model.retires_on else ""
            return f"{model.id} was retired by its provider{when}: calls will fail"
        ends = f": its provider retires it on {model.retires_on}" if model.retires_on else ""
        return f"{model.id} is deprecated{ends}"

    def require_allowed(self, provider: ProviderEnum, model_id: str) -> None:
        """Check that a provider's model is allowed. Retired models are, with a warning.

        Raises:
            UnknownModelError: the provider doesn't offer the model; suggests a provider that does
                or the closest model, and lists the allowed ones.

        """
        if self.find(provider, model_id) is not None:
            return
        raise UnknownModelError(
            "model",
            f"{model_id!r} is not a model of {PROVIDERS[provider].label}"
            f"{self._hint(provider, model_id)}; "
            f"{_allowed(model_id, list(self._by_id[provider]))}. "
            f"{EXTRA_MODELS} adds others",
        )

    def _hint(self, provider: ProviderEnum, model_id: str) -> str:
        """Return a suggestion of another provider or model; retired models are not suggested."""
        for other in PROVIDERS.values():
            if self.find(other.id, model_id):
                return f" (offered by {other.label})"
        there = [m.id for m in self._models[provider] if m.lifecycle is not Lifecycle.RETIRED]
        close = nearest(model_id, there)
        return f" (did you mean {close}?)" if close else ""


def _allowed(model_id: str, ids: list[str]) -> str:
    if len(ids) <= _MOST_NAMED:
        return f"allowed are: {', '.join(ids)}"
    named = dict.fromkeys([*get_close_matches(model_id, ids, 5), *ids])
    return f"allowed are {len(ids)}, such as: {', '.join(list(named)[:_MOST_NAMED])}"


# ---------------------------------------------------------------- combining the sources


def _listed(
    provider: ProviderEnum, today: date, live: Sequence[LiveList], extra: Sequence[ExtraModel]
) -> tuple[Model, ...]:
    found = {model.id: model for model in shipped_models(provider, today)}
    theirs = [answer for answer in live if answer.provider is provider and not answer.base_url]
    for answer in theirs:
        found = _with_answer(found, answer, today)
    mine: dict[str, Model] = {}
    for answer in live:
        if answer.provider is provider and answer.base_url:
            mine |= {model.id: _own_model(model, answer) for model in answer.models}
    for added in extra:
        if added.provider is provider:
            mine[added.id] = _added_model(added, mine.get(added.id) or found.get(added.id), today)
    everything = [*mine.values(), *(model for model in found.values() if model.id not in mine)]
    everything.sort(key=lambda model: list(Lifecycle).index(model.lifecycle))
    return tuple(_with_successors(everything))


def _with_successors(listed: Sequence[Model]) -> Iterable[Model]:
    for model in listed:
        ends = model.lifecycle is not Lifecycle.CURRENT or model.note is not None
        ids = tuple(other.id for other in successors(model, listed)) if ends else ()
        yield replace(model, successors=ids) if ids else model


def _with_answer(found: dict[str, Model], answer: LiveList, today: date) -> dict[str, Model]:
    """Return the models, updated and extended by their provider's answer."""
    reported = {model.id: model for model in answer.models}
    known = {
        id_: _merged(model, reported[id_], answer, today)
        if id_ in reported
        else _unserved(model, answer)
        for id_, model in found.items()
    }
    new = {
        id_: _merged(_blank(answer.provider, id_, today), model, answer, today)
        for id_, model in reported.items()
        if id_ not in found and model.served
    }
    # Anthropic lists the newest first; of Hugging Face's the short list has the most used.
    newest_first = PROVIDERS[answer.provider].lists_newest_first
    return new | known if newest_first else known | new


def _unserved(model: Model, answer: LiveList) -> Model:
    if not PROVIDERS[answer.provider].lists_every_model:
        return model  # the list has only the models that this key may call
    note = f"{model.id} isn't served at {answer.url} now: calls may fail"
    return replace(model, note=note)


def _blank(provider: ProviderEnum, model_id: str, today: date) -> Model:
    return Model(
        id=model_id,
        label=OFFLINE[provider].label_of(model_id),
        lifecycle=Lifecycle.CURRENT,
        retires_on=None,
        context_window=table_context(provider, model_id),
        price=table_price(provider, model_id, today),
        capabilities=offline_capabilities(provider, model_id, today),
    )


def _merged(model: Model, reported: LiveModel, answer: LiveList, today: date) -> Model:
    if not reported.served:
        return _unserved(model, answer)
    state, retires_on = _state(model, reported, answer, today)
    return replace(
        model,
        label=reported.label or model.label,
        lifecycle=state,
        retires_on=retires_on,
        context_window=reported.context_window or model.context_window,
        price=reported.price or model.price,
        capabilities=_merged_capabilities(model.capabilities, reported),
        origin=Origin.LIVE,
        source=answer.url,
        checked=answer.fetched_on,
    )


def _state(
    model: Model, reported: LiveModel, answer: LiveList, today: date
) -> tuple[Lifecycle, date | None]:
    """Return the reported lifecycle, updated if the retirement date has passed since.

    If the date had already passed when it was reported, the reported lifecycle counts.
    """
    if reported.lifecycle is None:
        return model.lifecycle, model.retires_on
    ends = reported.retires_on
    if (
        ends is not None
        and answer.fetched_on < ends
        and reported.lifecycle is not Lifecycle.RETIRED
    ):
        return lifecycle(ends, today), ends
    return reported.lifecycle, ends


def _merged_capabilities(offline: Capabilities, reported: LiveModel) -> Capabilities:
    return replace(
        offline,
        max_output_tokens=_newer(reported.max_output_tokens, offline.max_output_tokens),
        thinking=_newer(reported.thinking, offline.thinking),
        effort=_newer(reported.effort, offline.effort),
        typed_answers=_newer(reported.typed_answers, offline.typed_answers),
        tools=_newer(reported.tools, offline.tools),
    )


def _newer(reported: Value | None, known: Value | None) -> Value | None:
    return known if reported is None else reported


def _own_model(reported: LiveModel, answer: LiveList) -> Model:
    blank = _blank(answer.provider, reported.id, answer.fetched_on)
    return replace(
        blank,
        context_window=reported.context_window,
        origin=Origin.SETTING,
        source=answer.url,
        checked=answer.fetched_on,
        base_url=answer.base_url,
    )


def _added_model(added: ExtraModel, known: Model | None, today: date) -> Model:
    model = known or replace(_blank(added.provider, added.id, today), source=EXTRA_MODELS)
    return replace(
        model,
        label=added.label or model.label,
        base_url=added.base_url or model.base_url,
        origin=Origin.SETTING,
        note=None if added.base_url else model.note,
    )


# ---------------------------------------------------------------- offline data


@cache
def offline_catalog(today: date) -> Catalog:
    """Return the catalog of offline data, which needs no keys and no settings."""
    return Catalog(today)


def models(provider: ProviderEnum, today: date) -> tuple[Model, ...]:
    """Return the models of `provider` on `today`, from offline data."""
    return offline_catalog(today).models(provider)


def capabilities(provider: ProviderEnum, model: str, today: date) -> Capabilities:
    """Return a model's capabilities, from offline data."""
    return offline_capabilities(provider, model, today)


@cache
def allowed_model_ids(provider: ProviderEnum) -> tuple[str, ...]:
    """Return the ids of the models that are allowed without keys and settings."""
    return tuple(model.id for model in shipped_models(provider, date.max))


def require_allowed(provider: ProviderEnum, model_id: str) -> None:
    """Like `Catalog.require_allowed`, with offline data."""
    offline_catalog(date.max).require_allowed(provider, model_id)


def lifecycle_warning(provider: ProviderEnum, model_id: str, today: date) -> str | None:
    """Return a sentence for the user if the model is deprecated or retired, else None."""
    return offline_catalog(today).warning(provider, model_id)
