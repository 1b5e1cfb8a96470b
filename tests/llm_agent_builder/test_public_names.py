"""The names users import: adding or losing one is a decision, never an accident."""

from __future__ import annotations

from importlib.resources import files
from types import ModuleType

import llm_agent_builder


def test_the_public_names_are_these() -> None:
    assert llm_agent_builder.__all__ == [
        "PROVIDERS",
        "AgentBuilder",
        "AgentBuilderError",
        "AgentSpec",
        "ProviderEnum",
        "SpecError",
        "class_name_for",
        "filename_for",
    ]


def test_nothing_else_is_public() -> None:
    found = {
        name
        for name in dir(llm_agent_builder)
        if not name.startswith("_")
        and name != "TYPE_CHECKING"
        and not isinstance(getattr(llm_agent_builder, name), ModuleType)
    }
    assert found == set(llm_agent_builder.__all__)


def test_the_package_says_that_it_is_typed() -> None:
    assert files("llm_agent_builder").joinpath("py.typed").is_file()


def test_every_public_name_has_a_docstring() -> None:
    for name in set(llm_agent_builder.__all__) - {"PROVIDERS"}:
        assert getattr(llm_agent_builder, name).__doc__, name
