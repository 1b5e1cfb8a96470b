"""The command `models`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from llm_agent_builder.catalog.catalog import Lifecycle
from llm_agent_builder.catalog.model import Model, Origin, Price
from llm_agent_builder.commands.base import Command, say
from llm_agent_builder.commands.current_catalog import current_catalog, server_notes
from llm_agent_builder.providers import PROVIDERS, ProviderEnum

_PROVIDER = click.Choice([provider.value for provider in ProviderEnum])


@click.command(cls=Command)
@click.option("--provider", type=_PROVIDER, help="Only this provider's models.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def models(provider: str | None, as_json: bool) -> None:
    """List each provider's models: built-in, fetched from the provider, and added by settings."""
    chosen = [ProviderEnum(provider)] if provider else list(PROVIDERS)
    catalog = current_catalog()
    found = {id_.value: catalog.models(id_) for id_ in chosen}
    for note in server_notes() if any(PROVIDERS[id_].own_servers for id_ in chosen) else ():
        say(note)
    if as_json:
        plain = {id_: [asdict(model) for model in listed] for id_, listed in found.items()}
        click.echo(json.dumps(plain, indent=2, default=str))
        return
    for id_, listed in found.items():
        click.echo(f"{PROVIDERS[ProviderEnum(id_)].label}")
        width = max(len(model.id) for model in listed)
        for model in listed:
            default = model.id == PROVIDERS[ProviderEnum(id_)].default_model
            click.echo(f"  {model.id:{width}}  {_facts(model, default)}".rstrip())


def _facts(model: Model, default: bool) -> str:
    facts = ["default"] if default else []
    if model.lifecycle is not Lifecycle.CURRENT:
        when = f" ({model.retires_on})" if model.retires_on else ""
        facts.append(f"{model.lifecycle.value}{when}")
    if model.note:
        facts.append("not served now")
    facts += size_and_price(model.context_window, model.price)
    if model.origin is Origin.SETTING:
        facts.append(f"at {model.base_url}" if model.base_url else "added by setting")
    return ", ".join(facts)


def size_and_price(context_window: int | None, price: Price | None) -> list[str]:
    """Return a model's context window and its prices, as far as they are known."""
    facts = [f"{context_window:,} tokens"] if context_window else []
    if price:
        facts.append(f"${price.input_per_mtok:g} / ${price.output_per_mtok:g} per Mtok")
    return facts
