"""Build LLM agents as code that their user owns: one readable Python file each.

>>> from llm_agent_builder import AgentBuilder
>>> source = AgentBuilder().build_agent("Greeter", "You greet people.", "Say hello.")

This package is pure: no process, no socket, no database, no clock.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_agent_builder.agent_builder import AgentBuilder, class_name_for, filename_for
    from llm_agent_builder.errors import AgentBuilderError, SpecError
    from llm_agent_builder.providers import PROVIDERS, ProviderEnum
    from llm_agent_builder.spec.agent_spec import AgentSpec
else:
    # Loaded on first use: otherwise importing any module of this package would load all of them.
    _PLACES = {
        "PROVIDERS": "providers",
        "AgentBuilder": "agent_builder",
        "AgentBuilderError": "errors",
        "AgentSpec": "spec.agent_spec",
        "ProviderEnum": "providers",
        "SpecError": "errors",
        "class_name_for": "agent_builder",
        "filename_for": "agent_builder",
    }

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)

    def __dir__() -> list[str]:
        return [*globals(), *_PLACES]


__all__ = [
    "PROVIDERS",
    "AgentBuilder",
    "AgentBuilderError",
    "AgentSpec",
    "ProviderEnum",
    "SpecError",
    "class_name_for",
    "filename_for",
]
