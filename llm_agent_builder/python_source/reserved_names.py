"""The names that generated files reserve: the user's code may not define them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from llm_agent_builder.python_source.constants import BY_NAME

_DEFINED = (
    "BASE_URL ACCESS_TOKEN TOOLS StoppedEarly Tool schema_of as_tool ANSWER_SCHEMA INSTRUCTIONS "
    "join_call use_tool connect mcp_tools parse_arguments explain show tell chat main "
    "run annotations"
)
_DEFINED_BEFORE = "find_token"  # by earlier templates; their files can still be read

FILE_NAMES = frozenset((*BY_NAME, *f"{_DEFINED} {_DEFINED_BEFORE}".split()))
"""The constants, functions and classes that the templates define, or once defined."""

_FROM = {
    "anthropic": "beta_tool",
    "anthropic.lib.tools": "BetaAsyncFunctionTool BetaFunctionTool",
    "anthropic.lib.tools.mcp": "async_mcp_tool",
    "anthropic.types": "MessageParam",
    "anthropic.types.beta": "BetaMessageParam",
    "anyio": "sleep_forever",
    "anyio.abc": "TaskStatus",
    "anyio.from_thread": "start_blocking_portal",
    "collections": "Counter",
    "collections.abc": "Callable Iterable Iterator",
    "contextlib": "AsyncExitStack contextmanager suppress",
    "functools": "partial",
    "huggingface_hub": (
        "ChatCompletionOutput ChatCompletionStreamOutput InferenceClient MCPClient"
    ),
    "huggingface_hub.errors": "HfHubHTTPError",
    "itertools": "islice",
    "mcp": "ClientSession StdioServerParameters",
    "mcp.client.stdio": "stdio_client",
    "mcp.client.streamable_http": "streamable_http_client",
    "pydantic": "BaseModel ConfigDict Field ValidationError",
    "typing": "Any Final Literal NamedTuple get_args get_origin get_type_hints",
}
_MODULES = "anthropic argparse inspect json os sys time"

FILE_IMPORTS: Mapping[str, str] = MappingProxyType(
    {module: module for module in _MODULES.split()}
    | {name: f"{module}.{name}" for module, names in _FROM.items() for name in names.split()}
)
"""The imports of the templates: the user's code may import the same, but nothing else under these
names."""
