"""Converts function tools and output types of the Agents SDK to the code of a spec.

A tool keeps its body. Its decorator, an `async` without `await` and an unused run context are
removed; return values that the SDK would have converted to text are wrapped in `str(...)`.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.openai_import.program import Program
from llm_agent_builder.python_source.literals import line_literal, python_literal
from llm_agent_builder.python_source.syntax_trees import syntax_tree
from llm_agent_builder.reading.parts import names_of
from llm_agent_builder.reading.source import at_byte, plain
from llm_agent_builder.user_code.answer_code import parse_answer
from llm_agent_builder.user_code.imports import Import, read_imports, render_imports
from llm_agent_builder.user_code.parse import is_constant_name
from llm_agent_builder.user_code.tool_code import parse_tool

Function = ast.FunctionDef | ast.AsyncFunctionDef
_CONTEXTS = {"RunContextWrapper", "ToolContext"}
_AWAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.YieldFrom)


@dataclass(slots=True)
class Converted:
    """Code for a field, or None, and notes for the user."""

    code: str | None
    notes: list[str] = field(default_factory=list)
    uses: set[str] = field(default_factory=set)
    """Names of the program that the code includes."""

    @property
    def note(self) -> str:
        """Return the notes as one text."""
        return "; ".join(self.notes)


class _CannotError(Exception):
    """The code can't be converted; `str()` says why and what to do."""


@dataclass(slots=True)
class _Edits:
    """Changes of a program's text, at positions as syntax trees count them."""

    made: list[tuple[int, int, int, int, str]] = field(default_factory=list)

    def replace(self, node: ast.expr | ast.arg, text: str) -> None:
        """Replace a node by `text`."""
        end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        self.made.append((node.lineno, node.col_offset, *end, text))

    def insert(self, line: int, column: int, text: str) -> None:
        """Insert `text` at a position."""
        self.made.append((line, column, line, column, text))

    def applied(self, lines: Sequence[str]) -> list[str]:
        """Return the lines with all changes; an item may become several lines, or empty."""
        whole = "".join(lines).encode()
        starts = list(accumulate((len(line.encode()) for line in lines), initial=0))
        changes: defaultdict[int, list[tuple[int, bool, int, str]]] = defaultdict(list)
        for first, column, last, end, text in self.made:
            start, stop = starts[first - 1] + column, starts[last - 1] + end
            # At one position, insertions come first, then the longest replacement.
            changes[first - 1].append((start, stop > start, -stop, text))
        found, done = [], 0
        for line, end in enumerate(starts[1:]):
            pieces = []
            for start, _, stop, text in sorted(changes[line]):
                if start >= done:  # else another change replaces this text
                    pieces += [whole[done:start].decode(), text]
                    done = -stop
            pieces.append(whole[done:end].decode())
            done = max(done, end)
            found.append("".join(pieces))
        return found


def convert_tool(program: Program, function: Function, overrides: dict[str, str]) -> Converted:
    """Convert a function tool; `overrides` are its decorator's name and description."""
    notes: list[str] = []
    edits = _Edits()
    try:
        _plain_function(program, function, edits, notes)
        _describe(function, overrides, edits, notes)
        if name := overrides.get("name_override"):
            _rename(program, function, name, edits)
        needed = _needed(program, function)
        code = parse_tool(_source(program, function, needed, edits)).source
        return Converted(code, notes, _all_names(needed))
    except CodeProblem as problem:
        return Converted(None, [f"{problem.message}; fix this and add it as a tool"])
    except _CannotError as error:
        return Converted(None, [str(error)])


def convert_answer(program: Program, name: str) -> Converted:
    """Convert a class of the program to the answer's type."""
    node = program.definitions.get(name)
    if not isinstance(node, ast.ClassDef):
        return Converted(
            None, [f"{name} is not a class in this file; write the answer's type by hand"]
        )
    try:
        needed = _needed(program, node)
        edits = _Edits()
        described = sum(_describe_fields(each, edits) for each in needed)
        extra = [Import("pydantic", "Field")] if described else []
        code = parse_answer(_source(program, node, needed, edits, extra)).source
        return Converted(code, uses=_all_names(needed))
    except CodeProblem as problem:
        return Converted(None, [f"{problem.message}; fix this and add it as the answer's type"])
    except _CannotError as error:
        return Converted(None, [str(error)])


def _plain_function(program: Program, function: Function, edits: _Edits, notes: list[str]) -> None:
    if any(isinstance(node, _AWAITING) for node in ast.walk(function)):
        raise _CannotError("it awaits; write it without async and add it as a tool")
    if isinstance(function, ast.AsyncFunctionDef):
        line = at_byte(plain(program.source.lines[function.lineno - 1]), function.col_offset)[1]
        word = re.match(r"async\s+", line)
        end = function.col_offset + (word.end() if word else 0)
        edits.made.append((function.lineno, function.col_offset, function.lineno, end, ""))
        notes.append("no longer async")
    _without_context(program, function, edits, notes)
    _returning_text(program, function, edits, notes)


def _without_context(program: Program, function: Function, edits: _Edits, notes: list[str]) -> None:
    arguments = [*function.args.posonlyargs, *function.args.args]
    if not arguments or program.sdk_name(arguments[0].annotation or ast.Pass()) not in _CONTEXTS:
        return
    context, *others = arguments
    if any(isinstance(node, ast.Name) and node.id == context.arg for node in ast.walk(function)):
        raise _CannotError(
            f"it uses the run's context ({context.arg}), which agents here don't have; pass "
            "what it needs as parameters"
        )
    end = (context.end_lineno or context.lineno, context.end_col_offset or 0)
    if others:
        end = (others[0].lineno, others[0].col_offset)
    elif plain(program.source.lines[end[0] - 1]).encode()[end[1] : end[1] + 1] == b",":
        end = (end[0], end[1] + 1)
    edits.made.append((context.lineno, context.col_offset, *end, ""))
    notes.append("the unused run context was removed")


def _returning_text(program: Program, function: Function, edits: _Edits, notes: list[str]) -> None:
    returns = function.returns
    if isinstance(returns, ast.Name) and returns.id == "str":
        return
    if returns is not None:
        edits.replace(returns, "str")
    else:
        edits.insert(*_header_end(program, function), " -> str")
    wrapped = False
    for node in _own_scope(function):
        if isinstance(node, ast.Return) and node.value and not _is_text(node.value):
            value = node.value
            edits.insert(value.lineno, value.col_offset, "str(")
            edits.insert(value.end_lineno or 0, value.end_col_offset or 0, ")")
            wrapped = True
    if wrapped:
        notes.append("return values are converted by str(...), as the SDK did")


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.JoinedStr) or (
        isinstance(value, ast.Constant) and isinstance(value.value, str)
    )


def _own_scope(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield child
            yield from _own_scope(child)


def _header_end(program: Program, function: Function) -> tuple[int, int]:
    """Return the line and UTF-8 column of the colon that ends `def name(...):`."""
    first = function.body[0]
    line, column = first.lineno, first.col_offset
    while line >= function.lineno:
        text = plain(program.source.lines[line - 1])
        before = at_byte(text, column)[0] if line == first.lineno else text.partition("#")[0]
        if ":" in before:
            return line, len(before.rpartition(":")[0].encode())
        line -= 1
    raise _CannotError("its first line can't be read; add it as a tool by hand")


def _describe(
    function: Function, overrides: dict[str, str], edits: _Edits, notes: list[str]
) -> None:
    """Make sure the function has a docstring: the model reads it as the tool's description."""
    first = function.body[0]
    docstring = ast.get_docstring(function)
    description = overrides.get("description_override")
    if docstring and not description:
        return
    if not description:
        words = (overrides.get("name_override") or function.name).replace("_", " ").strip()
        description = f"{words[:1].upper()}{words[1:]}."
        notes.append(
            "it had no docstring, so one was made from its name; describe what the tool does"
        )
    literal = f'"""{description}"""' if _is_plain(description) else python_literal(description)
    if docstring and isinstance(first, ast.Expr):
        edits.replace(first.value, literal)
        return
    if first.lineno == function.lineno:
        raise _CannotError("it is written on one line; use several and add it as a tool")
    edits.insert(first.lineno, first.col_offset, literal + "\n" + " " * first.col_offset)


def _describe_fields(node: ast.stmt, edits: _Edits) -> int:
    """Turn strings below a class's fields into their descriptions; return their number."""
    made = 0
    body = node.body if isinstance(node, ast.ClassDef) else []
    for field_node, text in pairwise(body):
        match field_node, text:
            case ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(description))):
                edits.replace(text.value, "")
                if field_node.value is None:
                    literal = line_literal(" ".join(description.split()))
                    place = (field_node.end_lineno or 0, field_node.end_col_offset or 0)
                    edits.insert(*place, f" = Field(description={literal})")
                    made += 1
    return made


def _is_plain(text: str) -> bool:
    return text.isprintable() and "\\" not in text and '"' not in text


def _rename(program: Program, function: Function, name: str, edits: _Edits) -> None:
    if not name.isidentifier():
        raise _CannotError(
            f"its name for the model, {name!r}, is not a Python name; choose another"
        )
    _rename_definition(program, function, name, edits)


def _rename_definition(program: Program, function: Function, name: str, edits: _Edits) -> None:
    line = at_byte(plain(program.source.lines[function.lineno - 1]), function.col_offset)[1]
    word = re.match(r"(?:async\s+)?def\s+", line)
    start = function.col_offset + (word.end() if word else 0)
    end = start + len(function.name.encode())
    edits.made.append((function.lineno, start, function.lineno, end, name))


# ---------------------------------------------------------------- dependencies


def _source(
    program: Program,
    main: Function | ast.ClassDef,
    needed: list[ast.stmt],
    edits: _Edits,
    extra: Sequence[Import] = (),
) -> str:
    """Return the source of a definition with all its dependencies from the program."""
    helpers = set()
    for node in needed:
        if isinstance(main, ast.ClassDef) or node is main:
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.name.startswith("_"):
                _rename_definition(program, node, f"_{node.name}", edits)
                helpers.add(node.name)
        elif not isinstance(node, (ast.Assign, ast.AnnAssign)):
            name = getattr(node, "name", "something")
            raise _CannotError(f"it uses {name} of the program; move that into the tool and add it")
    _rename_calls(needed, helpers, edits)
    if isinstance(main, ast.ClassDef):
        needed = [*(node for node in needed if node is not main), main]
    lines = edits.applied([plain(line) for line in program.source.lines])
    pieces = [_reindented(_lines_of(lines, node), node) for node in needed]
    imports = render_imports([*_imports_for(program, needed), *extra])
    return "\n\n\n".join([*(["\n".join(imports)] if imports else []), *pieces]) + "\n"


def _needed(program: Program, main: ast.stmt) -> list[ast.stmt]:
    found, waiting = [main], [main]
    while waiting:
        for name in _used(waiting.pop()):
            node = program.definitions.get(name)
            if node is not None and node not in found:
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and not is_constant_name(name):
                    raise _CannotError(
                        f"it uses {name} of the program, which is created at its start; pass it "
                        "as a parameter, or create it inside"
                    )
                found.append(node)
                waiting.append(node)
    return sorted(found, key=lambda node: node.lineno)


def _used(node: ast.AST) -> set[str]:
    """Return the names that a definition uses, except in the removed parts."""
    skipped = {id(part) for each in _removed_parts(node) for part in ast.walk(each)}
    return {
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and id(part) not in skipped
    }


def _removed_parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts removed from a tool: decorators, context type and return type."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    yield from decorators
    if isinstance(node, Function) and decorators:
        first = [*node.args.posonlyargs, *node.args.args][:1]
        for annotation in (each.annotation for each in first):
            if annotation is not None and any(name in ast.dump(annotation) for name in _CONTEXTS):
                yield annotation
        if node.returns is not None:
            yield node.returns


def _rename_calls(needed: Sequence[ast.stmt], helpers: set[str], edits: _Edits) -> None:
    """Prefix the names of helper functions with an underscore where they are used."""
    for node in needed if helpers else ():
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in helpers:
                edits.replace(part, f"_{part.id}")


def _imports_for(program: Program, needed: Sequence[ast.stmt]) -> Iterator[Import]:
    used = {name for node in needed for name in _used(node)}
    for node in program.source.tree.body:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if getattr(node, "module", "") == "__future__":
            continue
        wanted = [alias for alias in node.names if (alias.asname or alias.name) in used]
        if not wanted:
            continue
        for each in read_imports(node):
            if each.bound in used and each.bound not in program.sdk_names:
                yield each


def _all_names(nodes: Sequence[ast.stmt]) -> set[str]:
    return {name for node in nodes for name in names_of(node)}


def _lines_of(lines: Sequence[str], node: ast.stmt) -> list[str]:
    return list(lines[node.lineno - 1 : node.end_lineno])


def _reindented(lines: list[str], node: ast.stmt) -> str:
    """Return a definition without outer indentation, its body indented by four spaces."""
    text = "".join(lines)
    body = getattr(node, "body", None)
    unit = body[0].col_offset - node.col_offset if body else 4
    inside = _inside_texts(text.expandtabs(unit) if node.col_offset else text, node)
    found = []
    for number, line in enumerate(text.split("\n")):
        stripped = line.lstrip(" ")
        depth = len(line) - len(stripped) - node.col_offset
        if number in inside or not stripped or unit <= 0 or depth < 0:
            found.append(line if number in inside else stripped and line)
        else:
            found.append(" " * (depth // unit * 4 + depth % unit) + stripped)
    return "\n".join(found).strip("\n")


def _inside_texts(text: str, node: ast.stmt) -> set[int]:
    """Return the lines, counted from 0, that start inside a multi-line string."""
    source = "if True:\n" + text if node.col_offset else text
    shift = 2 if node.col_offset else 1
    try:
        tree = syntax_tree(source)
    except (SyntaxError, ValueError):
        raise _CannotError("it can't be moved; add it by hand") from None
    return {
        line - shift
        for part in ast.walk(tree)
        if isinstance(part, (ast.Constant, ast.JoinedStr))
        for line in range(part.lineno + 1, (part.end_lineno or 0) + 1)
    }
