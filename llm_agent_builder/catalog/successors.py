"""Chooses the models that can replace a retiring one."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from llm_agent_builder.catalog.capabilities import claude_family, family_of
from llm_agent_builder.catalog.model import Lifecycle, Model

MOST = 4
_OF_THE_FAMILY = 2
"""The most successors of the model's own line."""


def line_of(model_id: str) -> str:
    """Return the product line of a model: "haiku", or its organization on the Hub."""
    if "/" in model_id:
        return model_id.partition("/")[0]
    letters = re.findall(r"[a-z]+", family_of(model_id))
    return next((word for word in letters if word not in {"claude", "preview"}), model_id)


def successors(model: Model, listed: Sequence[Model]) -> tuple[Model, ...]:
    """Return the models to move to, best first: its own line, then those with a similar price.

    `listed` has the newest first. Only current models are chosen, and plain ids rather than dated
    snapshots. Models by invitation are suggested only to users of the same line.
    """
    line = line_of(model.id)
    choices = [
        other
        for other in listed
        if other.lifecycle is Lifecycle.CURRENT
        and other.note is None
        and other.base_url == model.base_url
        and not _is_snapshot(other, listed)
        and not (_by_invitation(other) and line_of(other.id) != line)
    ]
    family = [other for other in choices if line_of(other.id) == line][:_OF_THE_FAMILY]
    newest = {line_of(other.id): other for other in reversed(choices)}
    rest = [other for other in newest.values() if line_of(other.id) != line]
    rest.sort(key=lambda other: _distance(model, other))
    return tuple((family + rest)[:MOST])


def _is_snapshot(model: Model, listed: Sequence[Model]) -> bool:
    plain = family_of(model.id)
    return plain != model.id and any(other.id == plain for other in listed)


def _by_invitation(model: Model) -> bool:
    row = claude_family(model.id)
    return row is not None and row.by_invitation


def _distance(model: Model, other: Model) -> tuple[bool, float]:
    """Return a sort key: models with a smaller context window last, then by price difference."""
    smaller = (other.context_window or 0) < (model.context_window or 0)
    if model.price is None or other.price is None:
        return smaller, math.inf
    ratio = other.price.output_per_mtok / model.price.output_per_mtok
    return smaller, abs(math.log(ratio))
