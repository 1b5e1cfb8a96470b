"""Parses YAML from untrusted sources: plain data, no key twice, within limits.

PyYAML shares the value of an alias instead of copying it, so a text of a few lines can describe a
document that fills the memory of whoever walks through it. Therefore each use of an alias counts
as much as the value that it repeats.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor

_DEPTH_MAX = 100
_EXPANDED_MAX_BYTES = 8 * 1024 * 1024
"""Limit of a document with its aliases replaced by their values: the memory that it needs."""
_TOO_LARGE = (
    f"more than {_EXPANDED_MAX_BYTES // 1024**2} MiB of values "
    "(each alias counts as the value that it repeats)"
)
_NODE_BYTES = 256
"""What a value counts besides its text."""
_NUMBER_MAX_CHARS = 1000
"""Length limit of a number: converting one in base 60 takes time that grows with its square."""
_MESSAGE_MAX_CHARS = 2000
_VALUE_MAX_CHARS = 80
_MERGE_TAG = "tag:yaml.org,2002:merge"
_NUMBER_TAGS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}


class YamlProblem(ValueError):  # noqa: N818 - of the sender's document, not of ours
    """A document is not YAML, or exceeds a limit; `str()` is the whole message with the place.

    `problem` is its main part, on one line; `line` counts from 1.
    """

    def __init__(self, message: str, problem: str, line: int | None) -> None:
        super().__init__(message.replace('in "<unicode string>", ', "")[:_MESSAGE_MAX_CHARS])
        self.problem = problem[:_MESSAGE_MAX_CHARS]
        self.line = line


# What PyYAML raises for a value that its tag does not allow, such as `!!bool x` or `!!int ""`.
_WRONG_VALUE = (ValueError, TypeError, ArithmeticError, AttributeError, LookupError)


def load_yaml(text: str) -> Any:
    """Return the value of a YAML document.

    Raises:
        YamlProblem: the document is invalid, or exceeds a limit.

    """
    try:
        return _load(text, _FAST_LOADER)
    except (yaml.YAMLError, UnicodeEncodeError):
        # libyaml refuses lone surrogates, which a prompt may contain, and its messages are worse.
        return _load_exactly(text)


def _load_exactly(text: str) -> Any:
    try:
        return _load(text, _EXACT_LOADER)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        problem = str(error).partition("\n")[0]
        raise YamlProblem(str(error), problem, before.count("\n") + 1) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        problem = error.problem or error.context or "it is not YAML"
        if problem.startswith("but "):
            problem = f"{error.context}, {problem}"
        raise YamlProblem(str(error), problem, line) from None


def _load(text: str, loader: Any) -> Any:
    return yaml.load(text, loader)  # noqa: S506 - both loaders are safe ones


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's own parser, which converts some numbers without a check of their range."""

    def fetch_more_tokens(self) -> Any:
        try:
            return super().fetch_more_tokens()
        except (ValueError, OverflowError):
            problem = "an escape sequence or a version is out of range"
            raise _refused(problem, self.get_mark()) from None


def _bounded(loader: Any) -> Any:
    """Return a safe loader with these limits; it composes in Python what libyaml has parsed."""

    # Which of two loaders it is, is known only now.
    class Loader(_BoundedComposer, _Constructor, loader):  # type: ignore[misc]
        def __init__(self, text: str) -> None:
            loader.__init__(self, text)
            _BoundedComposer.__init__(self)

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
            problem = f"more than {_DEPTH_MAX} lists and mappings inside each other"
            raise _refused(problem, event.start_mark)
        node: Any = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if node not in self._sizes:
                problem = f"*{event.anchor} is inside the value that it repeats"
                raise _refused(problem, event.start_mark)
            self._bytes += self._sizes[node]
        else:
            _check_keys(node)
            self._bytes += _NODE_BYTES + _text_size(node)
            self._sizes[node] = self._bytes - before
        if self._bytes > _EXPANDED_MAX_BYTES:
            raise _refused(_TOO_LARGE, event.start_mark)
        return node


def _text_size(node: yaml.Node) -> int:
    if not isinstance(node, yaml.ScalarNode):
        return 0
    if node.tag in _NUMBER_TAGS and len(node.value) > _NUMBER_MAX_CHARS:
        problem = f"a number of more than {_NUMBER_MAX_CHARS:,} characters"
        raise _refused(problem, node.start_mark)
    return len(node.value)


def _check_keys(node: yaml.Node) -> None:
    """Refuse a mapping with two equal keys, of which PyYAML would use the last."""
    seen: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                name = json.dumps(key.value, ensure_ascii=False)
                raise _refused(f"{name} is given twice", key.start_mark)
            seen.add(key.value)


class _Constructor(SafeConstructor):
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except YamlProblem:
            raise
        except _WRONG_VALUE:
            raise _refused(_invalid(node), node.start_mark) from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put the pairs that `<<` merges before a mapping's own: the last value of a key counts.

        PyYAML compares keys by identity, and so lets the wrong one of two mappings win.
        """
        merged: list[Any] = []
        for source in reversed(_merged_into(node)):
            self.flatten_mapping(source)
            merged += source.value
        node.value = merged + [pair for pair in node.value if pair[0].tag != _MERGE_TAG]
        super().flatten_mapping(node)


def _merged_into(node: yaml.MappingNode) -> list[yaml.MappingNode]:
    found: list[yaml.MappingNode] = []
    for key, value in node.value:
        if key.tag == _MERGE_TAG:
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            if not all(isinstance(source, yaml.MappingNode) for source in sources):
                raise _refused("<< takes a mapping or a list of mappings", key.start_mark)
            found += sources
    return found


def _invalid(node: yaml.Node) -> str:
    kind = node.tag.rpartition(":")[2]
    if not isinstance(node, yaml.ScalarNode):
        return f"a mapping is not a valid {kind}"
    return f"{node.value[:_VALUE_MAX_CHARS]!r} is not a valid {kind}; put text in quotes"


def _refused(problem: str, mark: Any) -> YamlProblem:
    where = f"  line {mark.line + 1}, column {mark.column + 1}"
    return YamlProblem(f"{problem}\n{where}", problem, mark.line + 1)


# libyaml's parser is ten times as fast, if PyYAML was built with it.
_FAST_LOADER = _bounded(getattr(yaml, "CSafeLoader", _PlainLoader))
_EXACT_LOADER = _bounded(_PlainLoader)
