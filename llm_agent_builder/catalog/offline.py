"""The catalog's offline data: the installed Anthropic SDK, `genai-prices`, and a curated list.

All are read as data. `CURATED` adds models that the other two lack.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, TieredPrices

from llm_agent_builder.catalog.capabilities import capabilities, claude_family
from llm_agent_builder.catalog.model import Lifecycle, Model, Price
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.python_source.syntax_trees import syntax_tree


@dataclass(frozen=True, slots=True)
class CuratedModel:
    """A model that the SDK doesn't list, with its source and the day it was checked."""

    id: str
    label: str
    source: str
    checked: date | None
    context_window: int | None = None
    retires_on: date | None = None


_HUB = "https://huggingface.co/"
_ROUTES = "genai-prices 0.2.3, Hugging Face routes"
_CHECKED = date(2026, 11, 22)

# Hugging Face: the two models that the product was planned with, then the instruct models that most
# inference partners serve, as counted by `scripts/huggingface_routes.py`.
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

    The file is parsed, not imported: importing the SDK takes a second and runs its code here.
    """
    spec = find_spec(PROVIDERS[ProviderEnum.ANTHROPIC].sdk_module)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    if not path.is_file():
        return None
    for node in syntax_tree(path.read_text("utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = getattr(node, "value", None)
            return value if isinstance(value, ast.expr) else None
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


@cache
def sdk_api_version() -> str:
    """Return the `anthropic-version` that the installed SDK sends; the answers depend on it.

    Source: `ANTHROPIC_API_VERSION` in `anthropic/_constants.py`.
    """
    value = _sdk_literal("_constants.py", "ANTHROPIC_API_VERSION")
    known = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return ast.literal_eval(value) if known and value else "2023-06-01"


def _parse_long_date(text: str) -> date:
    """Parse the SDK's date format: "June 30th, 2026"."""
    plain = re.sub(r"(\d+)(st|nd|rd|th)", r"\1", text)
    return datetime.strptime(plain, "%B %d, %Y").replace(tzinfo=UTC).date()


def anthropic_label(model_id: str) -> str:
    """Derive "Claude Haiku 4.5 (2025-10-01)" from `claude-haiku-4-5-20251001`."""
    match = re.fullmatch(r"claude-([a-z]+)-([0-9-]+?|preview)(?:-(\d{4})(\d{2})(\d{2}))?", model_id)
    if match is None:
        return model_id
    family, version_, *snapshot = match.groups()
    label = f"Claude {family.title()} {version_.replace('-', '.')}"
    return f"{label} ({'-'.join(snapshot)})" if all(snapshot) else label


def _anthropic_sdk_models() -> Iterator[CuratedModel]:
    retirements = sdk_retirements()
    source = f"anthropic SDK {version('anthropic')}" if sdk_model_ids() else ""
    for model_id in sdk_model_ids():
        label, ends = anthropic_label(model_id), retirements.get(model_id)
        row = claude_family(model_id)
        where = f"{source}; {row.source}" if row else source
        checked = row.checked if row else None
        yield CuratedModel(model_id, label, where, checked, retires_on=ends)


def _no_sdk_models() -> Iterator[CuratedModel]:
    return iter(())


@dataclass(frozen=True, slots=True)
class OfflineSource:
    """The offline source of one provider's models."""

    sdk_models: Callable[[], Iterator[CuratedModel]]
    """Yields the models that the installed SDK lists."""
    label_of: Callable[[str], str]
    """Derives a label from the id of a model without one."""


OFFLINE: Mapping[ProviderEnum, OfflineSource] = {
    ProviderEnum.ANTHROPIC: OfflineSource(_anthropic_sdk_models, anthropic_label),
    ProviderEnum.HUGGINGFACE: OfflineSource(_no_sdk_models, str),
}


def _entries(provider: ProviderEnum) -> Iterator[CuratedModel]:
    yield from OFFLINE[provider].sdk_models()
    yield from CURATED[provider]


def lifecycle(retires_on: date | None, today: date) -> Lifecycle:
    """Return the lifecycle that follows from a retirement date."""
    if retires_on is None:
        return Lifecycle.CURRENT
    return Lifecycle.RETIRED if retires_on <= today else Lifecycle.DEPRECATED


@cache
def _priced_model(provider: ProviderEnum, model_id: str) -> ModelInfo | None:
    for priced in get_snapshot().providers:
        if priced.id == provider.value:
            return priced.find_model(model_id)
    return None


def table_price(provider: ProviderEnum, model_id: str, today: date) -> Price | None:
    """Return the price that `genai-prices` has for a model, or None."""
    priced = _priced_model(provider, model_id)
    return None if priced is None else whole_price(priced, today)


def whole_price(model: ModelInfo, today: date) -> Price | None:
    """Return the price of input and output, or None unless both are known."""
    prices = model.get_prices(datetime.combine(today, time(), UTC))
    rates = [
        float(rate.base if isinstance(rate, TieredPrices) else rate)
        for rate in (prices.input_mtok, prices.output_mtok)
        if rate is not None
    ]
    return Price(*rates) if len(rates) == 2 else None


def table_context(provider: ProviderEnum, model_id: str) -> int | None:
    """Return the context window that `genai-prices` has for a model, in tokens, or None."""
    priced = _priced_model(provider, model_id)
    return priced.context_window if priced else None


@cache
def shipped_models(provider: ProviderEnum, today: date) -> tuple[Model, ...]:
    """Return the models in offline data, the newest and most used first."""
    entries = {entry.id: entry for entry in _entries(provider)}
    return tuple(_model(provider, entry, today) for entry in entries.values())


def _model(provider: ProviderEnum, entry: CuratedModel, today: date) -> Model:
    return Model(
        id=entry.id,
        label=entry.label,
        lifecycle=lifecycle(entry.retires_on, today),
        retires_on=entry.retires_on,
        context_window=entry.context_window or table_context(provider, entry.id),
        price=table_price(provider, entry.id, today),
        capabilities=capabilities(provider, entry.id, today),
        source=entry.source,
        checked=entry.checked,
    )
