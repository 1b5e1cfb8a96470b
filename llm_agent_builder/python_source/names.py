"""Derives the class name and the file name from an agent's name."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
import unicodedata
from collections.abc import Collection

from llm_agent_builder.python_source.reserved_names import FILE_IMPORTS, FILE_NAMES

_FALLBACK_CLASS = "Agent"
_NAME_MAX_CHARS = 60
# Invisible characters that identifiers may contain, such as emoji variation selectors.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# A script's own folder comes first when it imports: a file named like a module that Python or an
# SDK imports (email.py, json.py) would be imported in its place.
_SDK_MODULES = (
    "aiohappyeyeballs aiohttp aiosignal annotated_types anthropic anyio attr attrs brotli certifi "
    "charset_normalizer click cryptography cython_runtime distro docstring_parser dotenv "
    "exceptiongroup filelock frozenlist fsspec h11 h2 hf_xet hpack httpcore httpcore2 httpx httpx2 "
    "httpx_sse huggingface_hub idna jiter jsonschema jsonschema_specifications jwt mcp multidict "
    "numpy opentelemetry packaging propcache pydantic pydantic_core pydantic_settings pygments "
    "python_multipart referencing requests rich rpds sniffio socksio sse_starlette starlette tqdm "
    "truststore typing_extensions typing_inspection urllib3 uvicorn yaml yarl zstandard"
)
_DEVICES = frozenset({"aux", "con", "nul", "prn"})  # Windows reserves these, with any suffix,
_DEVICES |= {f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)}  # and these
_TAKEN_STEMS = sys.stdlib_module_names | set(_SDK_MODULES.split()) | _DEVICES


def class_name_for(name: str, taken: Collection[str] = ()) -> str:
    """Return the class name for an agent's name: "code reviewer 2" gives `CodeReviewer2`.

    Letters of any script stay; characters that identifiers can't contain separate words. `Agent` is
    appended to names that Python, the file itself or the user's code (`taken`) already use; a name
    without a letter or digit becomes `Agent`.
    """
    plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", name)).replace("_", " ")
    words = "".join(char if _is_of_words(char) else " " for char in plain).split()
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    if not joined.isidentifier():
        joined = _FALLBACK_CLASS + joined
    joined = unicodedata.normalize("NFKC", joined)[:_NAME_MAX_CHARS]  # as the parser reads it
    while _is_taken(joined) or joined in taken:
        joined += _FALLBACK_CLASS
    return joined


def _is_of_words(char: str) -> bool:
    """Return whether a character is part of words; not a joiner, which Python 3.13 lets be one."""
    return f"a{char}".isidentifier() and unicodedata.category(char) != "Cf"


def _is_taken(name: str) -> bool:
    return (
        keyword.iskeyword(name)
        or hasattr(builtins, name)
        or name in FILE_NAMES
        or name in FILE_IMPORTS
    )


def filename_for(name: str) -> str:
    """Return a safe file name for an agent's name: "Code Reviewer" gives `code_reviewer.py`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    stem = "_".join(words)[:_NAME_MAX_CHARS].strip("_") or "agent"
    if not stem.isidentifier():
        stem = f"agent_{stem}"  # otherwise the file could not be imported
    return f"{stem}_agent.py" if stem in _TAKEN_STEMS or keyword.iskeyword(stem) else f"{stem}.py"
