"""Evaluates the instructions of an Agents SDK agent to one text, without running the program."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_agent_builder.openai_import.program import Program
from llm_agent_builder.reading.literal_values import ON_TEXT, NotLiteralError, literal_value
from llm_agent_builder.validation.text import TEXT_MAX_BYTES, utf8_length

_DEPTH_MAX = 100
_WORK_MAX = 10 * TEXT_MAX_BYTES
"""Limit of the characters joined to make one text; each part counts as one more."""
_FUNCTIONS = {"dedent", "cleandoc"}
_HANDOFF_PREFIX = "RECOMMENDED_PROMPT_PREFIX"
_HANDOFFS = "prompt_with_handoff_instructions"


@dataclass(slots=True)
class Text:
    """An evaluated text, and notes on how it was found."""

    text: str
    fields: list[str] = field(default_factory=list)
    """Expressions with values known only at run time; the text contains each in braces."""
    dropped: list[str] = field(default_factory=list)
    """Parts of the SDK that were left out, as they have no meaning here."""
    named: set[str] = field(default_factory=set)
    """The program's constants whose values are part of the text."""

    @property
    def notes(self) -> str:
        """Return notes for the user; empty if the text is complete."""
        found = []
        if self.fields:
            named = ", ".join("{" + name + "}" for name in dict.fromkeys(self.fields))
            found.append(
                f"the program fills in {named} at run time; here it is plain text: write the "
                "value, or put it in the task"
            )
        if self.dropped:
            found.append(f"without {', '.join(dict.fromkeys(self.dropped))}, made for handoffs")
        return "; ".join(found)


class UnknownTextError(Exception):
    """The text can't be evaluated; `str()` says why."""


class _TooMuchError(UnknownTextError):
    """The text, or the work to evaluate it, exceeds the limit of a prompt."""


@dataclass(slots=True)
class _Evaluation:
    """The state of one evaluation. Each name is evaluated once, so repeated doubling is cheap."""

    program: Program
    evaluated: dict[str, Text | UnknownTextError] = field(default_factory=dict)
    work: int = 0

    def spend(self, text: Text) -> Text:
        """Charge a joined text to the limit.

        Raises:
            _TooMuchError: this text is too long, or all texts together are.

        """
        if len(text.text) > TEXT_MAX_BYTES or utf8_length(text.text) > TEXT_MAX_BYTES:
            raise _TooMuchError(
                f"they have more than {TEXT_MAX_BYTES:,} bytes, the limit; write the prompt"
            )
        self.work += 1 + len(text.text) + len(text.fields) + len(text.dropped)
        if self.work > _WORK_MAX:
            raise _TooMuchError("they are built from too many parts; write the prompt")
        return text


def read_text(program: Program, node: ast.expr) -> Text:
    """Return the text of an expression, or of what a function named there returns.

    Raises:
        UnknownTextError: the text is known only at run time, or is too long for a prompt.

    """
    work = _Evaluation(program)
    if isinstance(node, ast.Name):
        defined = program.definitions.get(node.id) or _nested(program, node.id)
        if isinstance(defined, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return _returned(work, defined)
    if isinstance(node, ast.Lambda):
        return _evaluated(work, node.body, {}, 0)
    return _evaluated(work, node, {}, 0)


def _nested(program: Program, name: str) -> ast.stmt | None:
    for node in ast.walk(program.source.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            return node
    return None


def _returned(work: _Evaluation, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Text:
    """Return the text that a function with a single `return` returns."""
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    if len(returns) != 1 or returns[0].value is None or returns[0] not in function.body:
        raise UnknownTextError(
            f"the function {function.name} decides what they are when it runs; write the prompt"
        )
    local: dict[str, ast.expr] = {}
    for node in function.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                local[name] = value
    return _evaluated(work, returns[0].value, local, 0)


def _evaluated(
    work: _Evaluation, node: ast.expr, local: Mapping[str, ast.expr], depth: int
) -> Text:
    if depth > _DEPTH_MAX:
        raise _TooMuchError("they are built from too many parts; write the prompt")
    if isinstance(node, (ast.Name, ast.JoinedStr, ast.BinOp, ast.Call)):
        return work.spend(_composed(work, node, local, depth + 1))
    try:
        value = literal_value(node)
    except NotLiteralError:
        raise _only_run(node) from None
    if not isinstance(value, str):
        raise UnknownTextError("they are not a string; write the prompt")
    return work.spend(Text(value))


def _only_run(node: ast.expr) -> UnknownTextError:
    return UnknownTextError(f"they come from {shown(node)}, which is only known at run time")


def _composed(work: _Evaluation, node: ast.expr, local: Mapping[str, ast.expr], depth: int) -> Text:
    match node:
        case ast.Name(id=name):
            return _named(work, name, local, depth)
        case ast.JoinedStr(values=parts):
            return _joined([_part(work, part, local, depth) for part in parts])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([_evaluated(work, side, local, depth) for side in (left, right)])
        case ast.Call(func=function, args=[inner]) if work.program.sdk_name(function) == _HANDOFFS:
            text = _evaluated(work, inner, local, depth)
            dropped = [*text.dropped, f"the text that {_HANDOFFS} adds"]
            return Text(text.text, text.fields, dropped, text.named)
        case ast.Call() if change := _change(node):
            name, inner = change
            text = _evaluated(work, inner, local, depth)
            return Text(ON_TEXT[name](text.text), text.fields, text.dropped, text.named)
    raise _only_run(node)


def shown(node: ast.expr) -> str:
    """Return the source of an expression, shortened to 60 characters."""
    try:
        code = ast.unparse(node)
    except RecursionError:
        return "..."
    return code if len(code) < 60 else code[:57] + "..."


def _named(work: _Evaluation, name: str, local: Mapping[str, ast.expr], depth: int) -> Text:
    if work.program.sdk_names.get(name) == _HANDOFF_PREFIX:
        return Text("", dropped=[name])
    if name in local:
        key, value = f"local {name}", local[name]
    elif name in work.program.definitions and name in work.program.values:
        key, value = name, work.program.values[name]
    else:
        raise UnknownTextError(
            f"they come from {name}, which is only known at run time; write the prompt"
        )
    if key not in work.evaluated:
        try:
            work.evaluated[key] = _evaluated(work, value, {}, depth)
        except UnknownTextError as error:
            work.evaluated[key] = error
    result = work.evaluated[key]
    if isinstance(result, UnknownTextError):
        raise result.with_traceback(None)  # its traceback would grow each time
    return Text(result.text, result.fields, result.dropped, result.named | {name})


def _part(work: _Evaluation, part: ast.expr, local: Mapping[str, ast.expr], depth: int) -> Text:
    """Return a part of an f-string; unknown values stay as expressions in braces."""
    if not isinstance(part, ast.FormattedValue):
        return _evaluated(work, part, local, depth)
    try:
        return _evaluated(work, part.value, local, depth)
    except _TooMuchError:
        raise
    except UnknownTextError:
        code = shown(part.value)
        return work.spend(Text("{" + code + "}", [code]))


def _joined(parts: list[Text]) -> Text:
    return Text(
        "".join(part.text for part in parts),
        [name for part in parts for name in part.fields],
        [name for part in parts for name in part.dropped],
        set[str]().union(*(part.named for part in parts)),
    )


def _change(node: ast.Call) -> tuple[str, ast.expr] | None:
    """Return the name and argument of `dedent(text)`, `m.dedent(text)` or `text.strip()`."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[inner]):
            return (name, inner) if name in _FUNCTIONS else None
        case ast.Call(func=ast.Attribute(value=inner, attr=name), args=[]):
            return (name, inner) if name in ON_TEXT.keys() - _FUNCTIONS else None
    return None
