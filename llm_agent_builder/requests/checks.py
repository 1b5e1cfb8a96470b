"""Compares a parsed request with the known parts of its provider's protocol, value by value.

A check looks at one value. It passes unknown values to `Walk.unknown`, which records their path and
searches them for anything that would make the provider fetch a URL.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_agent_builder.json_input.strict import CUT, LONGEST, Cut, DuplicateKeys, written_length

Where = tuple["Where", str | int] | None
"""The location of a value: its parent's location and its key. None is the request itself."""
Check = Callable[["Walk", Any, Where], None]

_ADDRESS_KEY = re.compile(
    r"(^|[_-])(ur[il]|href|link|webhook|callback|endpoint|host|hostname|domain|server|proxy|src)s?$"
    r"|(^|[_-])api_base$",
    re.IGNORECASE,
)
_FILE_KEY = re.compile(r"(^|[_-])files?_?ids?$", re.IGNORECASE)
_ADDRESS = re.compile(
    r"(?!data:)(ur[il]:)*(([a-z][a-z0-9+.\-]*:)*[/\\]{2}"
    r"|(https?|wss?|ftps?|sftp|gs|s3):\S|file:[/\\])",
    re.IGNORECASE,
)
_BEFORE_ADDRESS = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u206f\ufeff<>\"'`(\[{]+")
_IN_ADDRESS = re.compile(r"[\x00\t\r\n]+")
"""Characters that URL parsers drop anywhere: https://url.spec.whatwg.org/#concept-basic-url-parser."""
_SWITCH_KEY = re.compile(
    r"(?<!beam_)search|browse|crawl|fetch|mcp|plugin|connector|(^|_)(web|online|internet|grounding)"
    r"|internet$|retrieval|knowledge_?base|url_?context|google_?maps|computer_?use|code_?(exec|interp)"
    r"|(built_?in|enabled|server|hosted)_?tools?$|tool_?ids?$",
    re.IGNORECASE,
)
_PROVIDER_TOOL = re.compile(
    r"(url|file|container_upload|tool_definition)$|web_|mcp|fetch|code_exec|search_preview|browser_s",
    re.IGNORECASE,
)
"""Types that indicate a URL, or the provider's files or tools, in unknown values."""
_USER_NAMED = {"messages", "system", "tools", "functions"}
"""Fields that contain names chosen by users, such as a function's parameters."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SVG = re.compile(r"data:\s*image/svg", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_IMAGE_DATA = re.compile(rf"data:image/(?:png|jpeg|jpg|gif|webp);base64,{_BASE64.pattern}")
"""Data URLs that count as images. Others, such as SVG, count by their bytes as well."""


def path_of(where: Where) -> str:
    """Return the path of a location, such as `messages[0].content`."""
    keys: list[str] = []
    while where is not None:
        where, key = where
        keys.append(f"[{key}]" if isinstance(key, int) else f".{key[:40]}")
    return "".join(reversed(keys)).removeprefix(".") or "the request"


def root_of(where: Where) -> str:
    """Return the top-level field of a location, in lower case."""
    name: str | int = ""
    while where is not None:
        where, name = where
    return str(name).casefold()


def fold(key: str) -> str:
    """Normalize a key, as some servers ignore case (Go) or accept camelCase (protobuf)."""
    return key.casefold().replace("_", "").replace("-", "")


def types_of(value: Any) -> list[Any]:
    """Return all values of an object's `type`, ignoring case as some servers do."""
    if not isinstance(value, dict):
        return []
    pairs = value.pairs if isinstance(value, DuplicateKeys) else value.items()
    return [inner for key, inner in pairs if len(key) == 4 and key.casefold() == "type"]


@dataclass(slots=True)
class Walk:
    """The findings of a walk through a request; the first of each kind is recorded."""

    not_understood: str | None = None
    unbounded: str | None = None
    """A known part without a size limit."""
    reaches: str | None = None
    """A part that makes the provider fetch a URL, or use its own files or tools."""
    images: int = 0
    image_bytes: int = 0
    """Bytes of images in the body; images count by number, not by bytes."""
    instructions: int = 0
    """Number of parts for which the provider adds its own instructions."""
    _todo: deque[tuple[Check, Any, Where]] = field(default_factory=deque)

    def run(self, check: Check, value: object) -> Iterator[None]:
        """Check a request, and yield regularly so that the caller can run other work."""
        self.later(check, value, None)
        while self._todo:
            check, value, where = self._todo.popleft()
            check(self, value, where)
            yield

    def later(self, check: Check, value: object, where: Where) -> None:
        """Queue a value to be checked."""
        self._todo.append((check, value, where))

    def unknown(self, value: object, where: Where, why: str = "is unknown") -> None:
        """Record an unknown value, and search it for addresses."""
        if self.not_understood is None:
            self.not_understood = f"{path_of(where)} {why}"
        self.later(_search, value, where)

    def note_reach(self, where: Where, what: str) -> None:
        """Record a part that makes the provider fetch a URL or use its own tools."""
        self.reaches = self.reaches or f"{path_of(where)}: {what}"

    def note_unbounded(self, where: Where, what: str) -> None:
        """Record a part without a size limit."""
        self.unbounded = self.unbounded or f"{path_of(where)} ({what})"

    def note_image(self, value: str, shape: re.Pattern[str]) -> None:
        """Count a value as image bytes instead of text, if it has this shape."""
        if shape.fullmatch(value[:LONGEST] if isinstance(value, Cut) else value):
            self.image_bytes += written_length(value)


def _search(walk: Walk, value: Any, where: Where) -> None:
    """Search an unknown value for an address or a provider's tool."""
    if walk.reaches is not None:
        return
    if value not in (None, False, []) and _is_switch(where, value):
        walk.note_reach(where, "a provider's tool, by its name")
    elif isinstance(value, dict):
        for key, inner in value.pairs if isinstance(value, DuplicateKeys) else value.items():
            walk.later(_search, inner, (where, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            # A list's items have the list's key: `"urls": ["..."]`.
            walk.later(_search, inner, (where[0], where[1]) if where else (None, index))
    elif isinstance(value, str) and where is not None:
        _search_text(walk, value, where)


def _is_switch(where: Where, value: object) -> bool:
    """Return whether a field may turn on a provider's tool, rather than being named by the user."""
    if where is None or _SWITCH_KEY.search(_snake(where[1])) is None:
        return False
    if where[0] is None or where[0][0] is None:
        return True
    user_named = root_of(where) in _USER_NAMED
    return not user_named and (value is True or isinstance(value, dict | list))


def _snake(key: str | int) -> str:
    """Return a camelCase key in snake_case."""
    return _HUMP.sub("_", str(key)[:LONGEST])


def _search_text(walk: Walk, value: str, where: tuple[Where, str | int]) -> None:
    key = _snake(where[1])
    if (_ADDRESS_KEY.search(key) and not is_data(value)) or _is_address(value):
        walk.note_reach(where, "an address")
    elif _SVG.match(value):
        walk.note_reach(where, "an SVG image, which can name addresses")
    elif _FILE_KEY.search(key):
        walk.note_reach(where, "a file stored at the provider")
    elif key.casefold() == "type" and _PROVIDER_TOOL.match(value):
        walk.note_reach(where, f"of type {value[:40]!r}")


def _is_address(value: str) -> bool:
    """Return whether a text starts like an address, even for lenient parsers."""
    value = _IN_ADDRESS.sub("", value[:LONGEST])
    before = _BEFORE_ADDRESS.match(value)
    return _ADDRESS.match(value, before.end() if before else 0) is not None


def is_data(value: str) -> bool:
    """Return whether an address is a `data:` URL, which contains its content."""
    return value[:5].lower() == "data:"


# ---------------------------------------------------------------- single values


def anything(walk: Walk, value: Any, where: Where) -> None:
    """Accept any value: its content affects neither price nor network, as a tool's input."""


def text(walk: Walk, value: Any, where: Where) -> None:
    """Accept a string."""
    if not isinstance(value, str):
        walk.unknown(value, where, "is not a string")


def flag(walk: Walk, value: Any, where: Where) -> None:
    """Accept true or false."""
    if type(value) is not bool:
        walk.unknown(value, where, "is neither true nor false")


def number(walk: Walk, value: Any, where: Where) -> None:
    """Accept an integer or a float."""
    if type(value) not in {int, float}:
        walk.unknown(value, where, "is not a number")


def number_from(least: float, most: float) -> Check:
    """Return the check of an integer or a float within limits."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        if type(value) not in {int, float} or not least <= value <= most:
            walk.unknown(value, where, f"is not a number from {least:,} to {most:,}")

    return check


def only(wanted: bool) -> Check:
    """Return the check of a flag that has no effect with this value."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        if value is not wanted:
            walk.unknown(value, where, f"is not {str(wanted).lower()}")

    return check


def whole(least: int, most: int) -> Check:
    """Return the check of an integer within limits."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        if type(value) is not int or not least <= value <= most:
            walk.unknown(value, where, f"is not an integer from {least:,} to {most:,}")

    return check


def one_of(*known: str) -> Check:
    """Return the check of a string with known values."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        if not isinstance(value, str) or value not in known:
            walk.unknown(value, where, f"is not one of {', '.join(known)}")

    return check


def image_address(walk: Walk, value: Any, where: Where) -> None:
    """Accept a `data:` URL of an image; the provider would fetch any other URL."""
    if not isinstance(value, str):
        walk.unknown(value, where, "is not a string")
    elif not is_data(value):
        walk.note_reach(where, "an address that the provider fetches")
    elif _SVG.match(value):
        walk.note_reach(where, "an SVG image, which can name addresses")
    elif not value[5:].lower().startswith("image/"):
        walk.unknown(value, where, "is not an image")
    else:
        walk.note_image(value, _IMAGE_DATA)


# ---------------------------------------------------------------- objects and arrays


def fields(known: Mapping[str, Check], *needed: str) -> Check:
    """Return the check of an object with these fields; null counts as missing.

    Unknown fields that are null or [] are accepted: SDKs send answers back with all their fields.
    An unknown field that some servers treat as a known one is also checked like that one.
    """
    folded = {fold(key): look for key, look in known.items()}

    def check(walk: Walk, value: Any, where: Where) -> None:
        if not isinstance(value, dict):
            return walk.unknown(value, where, "is not an object")
        pairs: Iterable[tuple[str, Any]] = value.items()
        if isinstance(value, DuplicateKeys):
            walk.unknown(value, where, f"has the key {_duplicate_key(value)!r} twice")
            pairs = value.pairs  # the provider may use any of them
        for key, inner in pairs:
            look = known.get(key)
            if inner is None or (look is None and inner == []):
                continue
            if look is not None:
                look(walk, inner, (where, key))
                continue
            walk.unknown(inner, (where, key))
            if (other := folded.get(fold(key))) is not None:
                walk.later(other, inner, (where, key))
        _require(walk, value, where, needed)

    return check


def _require(walk: Walk, value: dict[str, Any], where: Where, needed: tuple[str, ...]) -> None:
    for key in needed:
        if value.get(key) is None:
            walk.unknown(None, (where, key), "is missing")


def _duplicate_key(value: DuplicateKeys) -> str:
    seen: set[str] = set()
    for key, _ in value.pairs:
        if key in seen:
            return key[:40]
        seen.add(key)
    return CUT


def kinds(known: Mapping[str, Check], otherwise: Check | None = None) -> Check:
    """Return the check of an object by its `type`."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        types = types_of(value)
        if isinstance(value, DuplicateKeys) or len(types) > 1:
            return unclear(walk, value, where)
        named = types[0] if types else None
        look = known.get(named) if isinstance(named, str) else None
        if look is not None:
            look(walk, value, where)
        elif otherwise is not None:
            otherwise(walk, value, where)
        elif named is None:
            walk.unknown(value, where, "has no type")
        else:
            walk.unknown(value, where, f"has the unknown type {named!r:.60}")

    def unclear(walk: Walk, value: dict[str, Any], where: Where) -> None:
        # Searched once, not per type: otherwise the work would double at each level.
        twice = _duplicate_key(value) if isinstance(value, DuplicateKeys) else "type"
        walk.unknown(value, where, f"has the key {twice!r} twice")
        if otherwise is not None:
            otherwise(walk, value, where)

    return check


def items(look: Check) -> Check:
    """Return the check of an array."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        if type(value) is not list:
            return walk.unknown(value, where, "is not an array")
        for index, inner in enumerate(value):
            walk.later(look, inner, (where, index))

    return check


def agents_tool(look: Check, *names: str) -> Check:
    """Return the check of a tool that the agent executes, with objects of these names.

    Any other object in it may be a provider's tool, such as Gemini's `{"google_search": {}}`.
    """
    own = set(map(fold, names))

    def check(walk: Walk, value: Any, where: Where) -> None:
        look(walk, value, where)
        if isinstance(value, dict):
            pairs = value.pairs if isinstance(value, DuplicateKeys) else value.items()
            for key, inner in pairs:
                if fold(key) not in own and (inner is True or isinstance(inner, dict | list)):
                    _note_tool(walk, inner, (where, key))

    return check


def _note_tool(walk: Walk, value: object, where: Where) -> None:
    if value != []:
        walk.note_reach(where, "a provider's tool, by its name")


def tools(look: Check) -> Check:
    """Return the check of an array of tools; any other value may turn on a provider's tool."""
    each = items(look)

    def check(walk: Walk, value: Any, where: Where) -> None:
        each(walk, value, where)
        if value and not isinstance(value, list):
            walk.note_reach(where, "tools that aren't an array")

    return check


def text_or(look: Check) -> Check:
    """Return a check that also accepts a string."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        if not isinstance(value, str):
            look(walk, value, where)

    return check


# ---------------------------------------------------------------- size, images, instructions


def unbounded(what: str, *, reaches: bool = False) -> Check:
    """Return the check of a part without size limit; `reaches` if the provider acts by itself."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        if value is None or value is False or value == []:
            return  # {} is different: it can turn a feature on
        walk.note_unbounded(where, what)
        if reaches:
            walk.note_reach(where, what)
        walk.later(_search, value, where)

    return check


def image(look: Check) -> Check:
    """Return a check that counts an image."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        walk.images += 1
        look(walk, value, where)

    return check


def base64_image(types: tuple[str, ...], look: Check) -> Check:
    """Return the check of a base64 image in `data`, if it has one of these media types."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        look(walk, value, where)
        data = value.get("data") if isinstance(value, dict) else None
        if isinstance(data, str) and value.get("media_type") in types:
            walk.note_image(data, _BASE64)

    return check


def instructed(look: Check) -> Check:
    """Return a check that counts parts for which the provider adds instructions."""

    def check(walk: Walk, value: Any, where: Where) -> None:
        walk.instructions += value not in ({}, [])
        look(walk, value, where)

    return check
