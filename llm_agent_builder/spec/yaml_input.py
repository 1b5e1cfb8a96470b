"""Parses YAML from untrusted sources: plain data, no key twice, within limits.

PyYAML shares the value of an alias instead of copying it, so a text of a few lines can describe a
document that fills the memory of whoever walks through it. Therefore each use of an alias counts
as much as the value that it repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from yaml.composer import Composer

_DEPTH_MAX = 100
_EXPANDED_MAX_BYTES = 8 * 1024 * 1024
"""Limit of a document with its aliases replaced by their values: the memory that it needs."""
_NODE_BYTES = 256
"""What a value counts besides its text."""
_NUMBER_MAX_CHARS = 1000
"""Length limit of a number: converting one in base 60 takes time that grows with its square."""
_MESSAGE_MAX_CHARS = 2000
_NUMBER_TAGS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}


class YamlProblem(ValueError):  # noqa: N818 - of the sender's document, not of ours
    """A document is not YAML, or exceeds a limit; `str()` is the whole message with the place.

    `problem` is its main part, on one line; `line` counts from 1.
    """

    def __init__(self, message: str, problem: str, line: int | None) -> None:
        super().__init__(message.replace('in "<unicode string>", ', "")[:_MESSAGE_MAX_CHARS])
        self.problem = problem[:_MESSAGE_MAX_CHARS]
        self.line = line


_NOT_READ = (yaml.YAMLError, ValueError)
# What PyYAML raises for a value that does not fit its tag, such as `!!bool x` or `!!int ""`.
_WRONG_TAG = (TypeError, ArithmeticError, AttributeError, LookupError)


def load_yaml(text: str) -> Any:
    """Return the value of a YAML document.

    Raises:
        YamlProblem: the document is invalid, or exceeds a limit.

    """
    try:
        return _load(text, _FAST_LOADER)
    except YamlProblem:
        raise
    except (*_NOT_READ, *_WRONG_TAG):
        # libyaml refuses lone surrogates, which a prompt may contain, and its messages are worse.
        return _load_exactly(text)


def _load_exactly(text: str) -> Any:
    try:
        return _load(text, _EXACT_LOADER)
    except YamlProblem:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        problem = error.problem or error.context or "it is not YAML"
        if problem.startswith("but "):
            problem = f"{error.context}, {problem}"
        raise YamlProblem(str(error), problem, line) from None
    except _NOT_READ as error:
        raise YamlProblem(str(error), str(error).partition("\n")[0], None) from None
    except _WRONG_TAG:
        problem = "a value does not fit its tag"
        raise YamlProblem(problem, problem, None) from None


def _load(text: str, loader: Any) -> Any:
    return yaml.load(text, loader)  # noqa: S506 - both loaders are safe ones


def _bounded(loader: Any) -> Any:
    """Return a safe loader with these limits; it composes in Python what libyaml has parsed."""

    class Loader(_BoundedComposer, loader):  # type: ignore[misc] # which of two, is known only now
        def __init__(self, text: str) -> None:
            loader.__init__(self, text)
            _BoundedComposer.__init__(self)

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
            _check_keys(node)  # PyYAML's own loaders would use the last of two equal keys
            return super().construct_mapping(node, deep)

    return Loader


class _BoundedComposer(Composer):
    peek_event: Callable[[], yaml.Event]  # of the parser

    def __init__(self) -> None:
        Composer.__init__(self)
        self._depth = 0
        self._bytes = 0
        self._sizes: dict[yaml.Node, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event, before = self.peek_event(), self._bytes
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise _refused(f"more than {_DEPTH_MAX} lists and mappings inside each other", event)
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if node not in self._sizes:
                raise _refused(f"*{event.anchor} is inside the value that it repeats", event)
            self._bytes += self._sizes[node]
        else:
            self._bytes += _NODE_BYTES + _text_size(node)
            self._sizes[node] = self._bytes - before
        if self._bytes > _EXPANDED_MAX_BYTES:
            raise _refused("too many values, counting each use of an alias", event)
        return node


def _text_size(node: yaml.Node) -> int:
    if not isinstance(node, yaml.ScalarNode):
        return 0
    if node.tag in _NUMBER_TAGS and len(node.value) > _NUMBER_MAX_CHARS:
        raise _refused(f"a number of more than {_NUMBER_MAX_CHARS:,} characters", node)
    return len(node.value)


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise _refused(f'"{key.value}" is given twice', key)
            seen.add(key.value)


def _refused(problem: str, place: yaml.Event | yaml.Node) -> YamlProblem:
    mark = place.start_mark
    assert mark is not None  # each event and node of a parser has one
    where = f"  line {mark.line + 1}, column {mark.column + 1}"
    return YamlProblem(f"{problem}\n{where}", problem, mark.line + 1)


# libyaml's parser is ten times as fast, if PyYAML was built with it.
_FAST_LOADER = _bounded(getattr(yaml, "CSafeLoader", yaml.SafeLoader))
_EXACT_LOADER = _bounded(yaml.SafeLoader)
