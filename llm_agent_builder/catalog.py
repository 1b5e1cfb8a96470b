"""The models each provider offers: labels, lifecycle, context windows, prices; the allow-list.

Two sources and one short table. The ids and retirement dates of Anthropic's models are read from
the installed SDK, prices and context windows from `genai-prices`; both are read as data, offline.
`CURATED` adds what neither has. Everything is a function of the date that is passed in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, TieredPrices

from llm_agent_builder.errors import UnknownModelError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum


class Lifecycle(StrEnum):
    """Where a model is in its life, on the date the catalog was made for."""

    CURRENT = "current"
    DEPRECATED = "deprecated"
    """Its provider has named the day it ends."""
    RETIRED = "retired"
    """That day has come: calls to the provider fail."""


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


@dataclass(frozen=True, slots=True)
class CuratedModel:
    """A model that the SDK doesn't list, with its source and the day it was checked."""

    id: str
    label: str
    source: str
    checked: date
    context_window: int | None = None
    retires_on: date | None = None


_HUB = "https://huggingface.co/"
_ROUTES = "genai-prices 0.2.3, Hugging Face routes"
_CHECKED = date(2026, 11, 22)

# Hugging Face: the two models the product was planned with, then the instruct models that the most
# of its inference partners serve. How many: `scripts/huggingface_routes.py` counts them.
CURATED: Mapping[ProviderEnum, Sequence[CuratedModel]] = {
    ProviderEnum.ANTHROPIC: (
        CuratedModel(
            "claude-3-5-haiku-20241022",
            "Claude Haiku 3.5 (2024-10-22)",
            "https://platform.claude.com/docs/en/about-claude/model-deprecations",
            _CHECKED,
            retires_on=date(2026, 2, 19),
        ),
    ),
    ProviderEnum.HUGGINGFACE: tuple(
        CuratedModel(model_id, label, source, _CHECKED, context_window)
        for model_id, label, source, context_window in (
            ("meta-llama/Llama-3.3-70B-Instruct", "Llama 3.3 70B Instruct", _ROUTES, 131_072),
            ("meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1 8B Instruct", _ROUTES, 131_072),
            ("openai/gpt-oss-120b", "gpt-oss 120B", _ROUTES, 131_072),
            ("openai/gpt-oss-20b", "gpt-oss 20B", _ROUTES, 131_072),
            ("Qwen/Qwen3-32B", "Qwen3 32B", _ROUTES, 40_960),
            ("Qwen/Qwen3.8-27B", "Qwen3.8 27B", _ROUTES, 262_144),
            ("Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen3 235B Instruct", _ROUTES, 262_144),
            ("deepseek-ai/DeepSeek-V3-0324", "DeepSeek V3 (2025-03-24)", _ROUTES, 131_072),
            ("zai-org/GLM-5.3", "GLM 5.3", _ROUTES, 1_048_576),
            (
                "meta-llama/Meta-Llama-3-8B-Instruct",
                "Llama 3 8B Instruct",
                _HUB + "meta-llama/Meta-Llama-3-8B-Instruct",
                8_192,
            ),
            (
                "mistralai/Mistral-7B-Instruct-v0.3",
                "Mistral 7B Instruct v0.3",
                _HUB + "mistralai/Mistral-7B-Instruct-v0.3",
                32_768,
            ),
        )
    ),
}


def _sdk_literal(file: str, name: str) -> ast.expr | None:
    """Return the value assigned to `name` in a file of the installed Anthropic SDK.

    Read, not imported: importing the SDK takes a second and runs its code in the server.
    """
    spec = find_spec(PROVIDERS[ProviderEnum.ANTHROPIC].sdk_module)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    if not path.is_file():
        return None
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            return node.value
    return None


@cache
def sdk_model_ids() -> tuple[str, ...]:
    """Return the model ids that the installed Anthropic SDK knows, newest first.

    Source: the `Model` alias in `anthropic/types/model.py`.
    """
    value = _sdk_literal("types/model.py", "Model")
    constants = ast.walk(value) if value else ()
    return tuple(
        node.value
        for node in constants
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@cache
def sdk_retirements() -> Mapping[str, date]:
    """Return the retirement dates that the installed Anthropic SDK knows.

    Source: `DEPRECATED_MODELS` in `anthropic/_data/deprecated_models.py`.
    """
    value = _sdk_literal("_data/deprecated_models.py", "DEPRECATED_MODELS")
    if value is None:
        return {}
    return {model: _parse_long_date(text) for model, text in ast.literal_eval(value).items()}


def _parse_long_date(text: str) -> date:
    """Read the SDK's way of writing dates: "June 30th, 2026"."""
    plain = re.sub(r"(\d+)(st|nd|rd|th)", r"\1", text)
    return datetime.strptime(plain, "%B %d, %Y").replace(tzinfo=UTC).date()


def _anthropic_label(model_id: str) -> str:
    """Derive "Claude Haiku 4.5 (2025-10-01)" from `claude-haiku-4-5-20251001`."""
    match = re.fullmatch(r"claude-([a-z]+)-([0-9-]+?|preview)(?:-(\d{4})(\d{2})(\d{2}))?", model_id)
    if match is None:
        return model_id
    family, version, *snapshot = match.groups()
    label = f"Claude {family.title()} {version.replace('-', '.')}"
    return f"{label} ({'-'.join(snapshot)})" if all(snapshot) else label


def _lifecycle(retires_on: date | None, today: date) -> Lifecycle:
    if retires_on is None:
        return Lifecycle.CURRENT
    return Lifecycle.RETIRED if retires_on <= today else Lifecycle.DEPRECATED


def _priced_model(provider: ProviderEnum, model_id: str) -> ModelInfo | None:
    for priced in get_snapshot().providers:
        if priced.id == provider.value:
            return priced.find_model(model_id)
    return None


def _price(model: ModelInfo | None, today: date) -> Price | None:
    if model is None:
        return None
    prices = model.get_prices(datetime.combine(today, time(), UTC))
    rates = [
        float(rate.base if isinstance(rate, TieredPrices) else rate)
        for rate in (prices.input_mtok, prices.output_mtok)
        if rate is not None
    ]
    return Price(*rates) if len(rates) == 2 else None


def _entries(provider: ProviderEnum) -> Iterable[CuratedModel]:
    if provider is ProviderEnum.ANTHROPIC:
        retirements = sdk_retirements()
        for model_id in sdk_model_ids():
            yield CuratedModel(
                model_id,
                _anthropic_label(model_id),
                "the installed anthropic SDK",
                _CHECKED,
                retires_on=retirements.get(model_id),
            )
    yield from CURATED[provider]


def _model(provider: ProviderEnum, entry: CuratedModel, today: date) -> Model:
    priced = _priced_model(provider, entry.id)
    return Model(
        id=entry.id,
        label=entry.label,
        lifecycle=_lifecycle(entry.retires_on, today),
        retires_on=entry.retires_on,
        context_window=entry.context_window or (priced.context_window if priced else None),
        price=_price(priced, today),
    )


@cache
def models(provider: ProviderEnum, today: date) -> tuple[Model, ...]:
    """Return the models of `provider` as they stand on `today`.

    The newest and most used come first, those that end or have ended last.
    """
    found = {entry.id: entry for entry in _entries(provider)}
    listed = [_model(provider, entry, today) for entry in found.values()]
    return tuple(sorted(listed, key=lambda model: list(Lifecycle).index(model.lifecycle)))


@cache
def allowed_model_ids(provider: ProviderEnum) -> tuple[str, ...]:
    """Return the allow-list of `provider`: retired models stay on it, marked so in the catalog."""
    return tuple(dict.fromkeys(entry.id for entry in _entries(provider)))


def require_allowed(provider: ProviderEnum, model_id: str) -> None:
    """Check a pair against the allow-list.

    Raises:
        UnknownModelError: the provider doesn't offer that model; names who does, lists what is.

    """
    allowed = allowed_model_ids(provider)
    if model_id in allowed:
        return
    others = [p.label for p in PROVIDERS.values() if model_id in allowed_model_ids(p.id)]
    hint = f" (that one is offered by {others[0]})" if others else ""
    raise UnknownModelError(
        "model",
        f"{model_id!r} is not a model of {PROVIDERS[provider].label}{hint}; "
        f"allowed are: {', '.join(allowed)}",
    )


def lifecycle_warning(provider: ProviderEnum, model_id: str, today: date) -> str | None:
    """Return a sentence for a user when the model is deprecated or retired, else None."""
    for model in models(provider, today):
        if model.id != model_id or model.retires_on is None:
            continue
        if model.lifecycle is Lifecycle.RETIRED:
            return f"{model.id} was retired by its provider on {model.retires_on}: calls will fail"
        return f"{model.id} is deprecated: its provider retires it on {model.retires_on}"
    return None
