"""The names that generated files keep for themselves: no code of a user may take one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_DEFINED = (
    "NAME MODEL BASE_URL MAX_TOKENS SYSTEM_PROMPT EXAMPLE_TASK THINKING EFFORT STOP_SEQUENCES "
    "MCP_SERVERS MAX_TURNS TOKEN_BUDGET TIMEOUT_S RETRIES TOOLS StoppedEarly Tool schema_of "
    "as_tool join_call use_tool connect mcp_tools find_token parse_arguments explain show "
    "tell_usage chat main run annotations"
)

FILE_NAMES = frozenset(_DEFINED.split())
"""What the templates define: constants, functions, classes."""

_FROM = {
    "anthropic": "beta_tool",
    "collections.abc": "AsyncIterator Callable Iterator Mapping Sequence",
    "huggingface_hub": "InferenceClient MCPClient",
    "pydantic": "BaseModel ConfigDict Field ValidationError",
    "typing": "Any Literal",
}
_MODULES = "anthropic argparse asyncio contextlib huggingface_hub json os pydantic sys time"

FILE_IMPORTS: Mapping[str, str] = MappingProxyType(
    {module: module for module in _MODULES.split()}
    | {name: f"{module}.{name}" for module, names in _FROM.items() for name in names.split()}
)
"""What the templates import: a user's code may import the same, but nothing else by that name."""
