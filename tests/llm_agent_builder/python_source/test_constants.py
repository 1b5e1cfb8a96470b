"""The table of an agent file's constants."""

from __future__ import annotations

from llm_agent_builder.python_source.constants import (
    ALWAYS,
    BY_FIELD,
    BY_NAME,
    CONSTANTS,
    GIVEN,
    OPTIONAL,
    Kind,
)
from llm_agent_builder.rendering import constants as rendering
from llm_agent_builder.rendering.features import Features, features_of
from llm_agent_builder.spec.agent_spec import AgentSpec, make_spec


def test_every_constant_contains_a_field_of_a_spec() -> None:
    assert {row.field for row in CONSTANTS} <= set(AgentSpec.model_fields)
    assert len(BY_NAME) == len(BY_FIELD) == len(CONSTANTS)


def test_every_kind_can_be_written_and_verified() -> None:
    assert set(rendering._WRITERS) == set(rendering._VALUES) == set(Kind)


def test_a_constant_is_present_always_or_if_set_or_with_a_feature() -> None:
    known = {*Features.__dataclass_fields__, "mcp", "loops", ALWAYS, GIVEN}
    assert {row.when for row in CONSTANTS} <= known


def test_an_optional_field_is_empty_by_default() -> None:
    for row in OPTIONAL:
        assert AgentSpec.model_fields[row.field].default in (None, ())


def test_features_list_the_optional_fields_that_are_set() -> None:
    values = {"name": "A", "prompt": "b", "task": "c", "provider": "anthropic", "model": "m"}
    assert features_of(make_spec(values)).given == set()
    more = {"effort": "low", "stop_sequences": ["x"], "timeout_s": 3}
    assert features_of(make_spec(values | more)).given == set(more)
