"""Build LLM agents as code that their user owns: one readable Python file each.

>>> from llm_agent_builder import AgentBuilder
>>> source = AgentBuilder().build_agent("Greeter", "You greet people.", "Say hello.")

Pure: no process, no socket, no database, no clock.
"""

from llm_agent_builder.agent_builder import AgentBuilder, class_name_for, filename_for
from llm_agent_builder.errors import AgentBuilderError, SpecError
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.spec import AgentSpec

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
