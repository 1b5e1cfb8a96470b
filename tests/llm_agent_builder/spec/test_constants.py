"""The table of an agent file's constants."""

from __future__ import annotations

import pytest

from llm_agent_builder.providers import PROVIDERS
from llm_agent_builder.rendering import constants as rendering
from llm_agent_builder.rendering.features import Features, features_of
from llm_agent_builder.spec.agent_spec import AgentSpec, make_spec
from llm_agent_builder.spec.constants import BY_FIELD, BY_NAME, CONSTANTS, Kind, absent_values


def test_every_constant_contains_a_field_of_a_spec() -> None:
    assert {row.field for row in CONSTANTS} <= set(AgentSpec.model_fields)
    assert len(BY_NAME) == len(BY_FIELD) == len(CONSTANTS)


def test_every_kind_can_be_written_and_verified() -> None:
    assert set(rendering._WRITERS) == set(rendering._VALUES) == set(Kind)


@pytest.mark.parametrize("name", ["part", "optional", "required"])
def test_the_rules_of_when_a_constant_is_there_exclude_each_other(name: str) -> None:
    others = {"part", "optional", "required"} - {name}
    for row in CONSTANTS:
        assert not getattr(row, name) or not any(getattr(row, other) for other in others)


def test_a_constants_feature_is_one_that_files_have() -> None:
    known = {*Features.__dataclass_fields__, "mcp", "loops"}
    assert {row.part for row in CONSTANTS if row.part} <= known


def test_absent_constants_are_fields() -> None:
    for provider in PROVIDERS.values():
        assert set(absent_values(provider)) <= set(BY_FIELD)


def test_features_tell_which_optional_fields_are_given() -> None:
    values = {"name": "A", "prompt": "b", "task": "c", "provider": "anthropic", "model": "m"}
    assert features_of(make_spec(values)).given == set()
    more = {"effort": "low", "stop_sequences": ["x"], "timeout_s": 3}
    assert features_of(make_spec(values | more)).given == set(more)
