"""Instructions of an agent of the Agents SDK as one text, with what could not be told of them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from llm_agent_builder.literal_values import NotLiteralError, literal_value
from llm_agent_builder.openai_program import Program

_DEPTH_MAX = 100
_DEDENTS = {"dedent": textwrap.dedent, "cleandoc": inspect.cleandoc}
_HANDOFF_PREFIX = "RECOMMENDED_PROMPT_PREFIX"
_HANDOFFS = "prompt_with_handoff_instructions"


@dataclass(slots=True)
class Text:
    """A text, and what was done to get it."""

    text: str
    fields: list[str] = field(default_factory=list)
    """Expressions whose values only a run would tell; each stands in the text in braces."""
    dropped: list[str] = field(default_factory=list)
    """Parts of the SDK that have no meaning here."""
    named: set[str] = field(default_factory=set)
    """The program's constants whose values stand in it."""

    @property
    def notes(self) -> str:
        """Return what a user must know of it; nothing if it is all there."""
        found = []
        if self.fields:
            named = ", ".join("{" + name + "}" for name in dict.fromkeys(self.fields))
            found.append(
                f"the program fills in {named} when it runs; here it stands as text: write the "
                "value, or say it in the task"
            )
        if self.dropped:
            found.append(f"without {', '.join(dict.fromkeys(self.dropped))}, made for handoffs")
        return "; ".join(found)


class UnknownTextError(Exception):
    """No text can be told; `str()` says why."""


def read_text(program: Program, node: ast.expr) -> Text:
    """Return the text that an expression gives, or a function that is named.

    Raises:
        UnknownTextError: only running the program would tell.

    """
    if isinstance(node, ast.Name):
        defined = program.definitions.get(node.id) or _nested(program, node.id)
        if isinstance(defined, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return _returned(program, defined)
    if isinstance(node, ast.Lambda):
        return _folded(program, node.body, {}, 0)
    return _folded(program, node, {}, 0)


def _nested(program: Program, name: str) -> ast.stmt | None:
    for node in ast.walk(program.source.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            return node
    return None


def _returned(program: Program, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Text:
    """Return what a function returns, where it has one `return`."""
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
    return _folded(program, returns[0].value, local, 0)


def _folded(program: Program, node: ast.expr, local: Mapping[str, ast.expr], depth: int) -> Text:
    if depth > _DEPTH_MAX:
        raise UnknownTextError("they are put together from too many parts; write the prompt")
    try:
        value = literal_value(node)
    except NotLiteralError:
        return _composed(program, node, local, depth + 1)
    if not isinstance(value, str):
        raise UnknownTextError("they are no text; write the prompt")
    return Text(value)


def _composed(program: Program, node: ast.expr, local: Mapping[str, ast.expr], depth: int) -> Text:
    match node:
        case ast.Name(id=name):
            return _named(program, name, local, depth)
        case ast.JoinedStr(values=parts):
            return _joined([_part(program, part, local, depth) for part in parts])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            sides = (left, right)
            return _joined([_folded(program, side, local, depth) for side in sides])
        case ast.Call(func=function, args=[argument]) if program.sdk_name(function) == _HANDOFFS:
            text = _folded(program, argument, local, depth)
            return Text(
                text.text, text.fields, [*text.dropped, f"what {_HANDOFFS} adds"], text.named
            )
        case ast.Call(func=function, args=[argument]) if _dedent_name(function):
            text = _folded(program, argument, local, depth)
            plain = _DEDENTS[_dedent_name(function)](text.text)
            return Text(plain, text.fields, text.dropped, text.named)
        case ast.Call(func=ast.Attribute(value=inner, attr="strip"), args=[]):
            text = _folded(program, inner, local, depth)
            return Text(text.text.strip(), text.fields, text.dropped, text.named)
    raise UnknownTextError(f"they come from {shown(node)}, which only a run tells")


def shown(node: ast.expr) -> str:
    """Return an expression in a few words."""
    try:
        code = ast.unparse(node)
    except RecursionError:
        return "..."
    return code if len(code) < 60 else code[:57] + "..."


def _named(program: Program, name: str, local: Mapping[str, ast.expr], depth: int) -> Text:
    if program.sdk_names.get(name) == _HANDOFF_PREFIX:
        return Text("", dropped=[name])
    if name in local:
        value = local[name]
    elif name in program.definitions and name in program.opened:
        value = program.opened[name]
    else:
        raise UnknownTextError(f"they come from {name}, which only a run tells; write the prompt")
    text = _folded(program, value, {}, depth)
    return Text(text.text, text.fields, text.dropped, text.named | {name})


def _part(program: Program, part: ast.expr, local: Mapping[str, ast.expr], depth: int) -> Text:
    """Return a part of an f-string; what can't be told stays in braces."""
    if not isinstance(part, ast.FormattedValue):
        return _folded(program, part, local, depth)
    try:
        return _folded(program, part.value, local, depth)
    except UnknownTextError:
        code = shown(part.value)
        return Text("{" + code + "}", [code])


def _joined(parts: list[Text]) -> Text:
    return Text(
        "".join(part.text for part in parts),
        [name for part in parts for name in part.fields],
        [name for part in parts for name in part.dropped],
        set[str]().union(*(part.named for part in parts)),
    )


def _dedent_name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in _DEDENTS:
            return name
    return ""
