"""Finds a user's code in an agent file: the answer's type and the tools.

A generated file has them in one block: the answer's classes, then one tool after another. Manual
additions between them that no tool needs are not loaded into a field.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.python_source.reserved_names import FILE_NAMES
from llm_agent_builder.reading.parts import FileParts, method, names_of
from llm_agent_builder.reading.source import plain
from llm_agent_builder.user_code.answer_code import parse_answer
from llm_agent_builder.user_code.imports import Import, read_imports, render_imports
from llm_agent_builder.user_code.layout import global_names
from llm_agent_builder.user_code.parse import parse_code
from llm_agent_builder.user_code.tool_code import parse_tool

# Names that templates define directly below the user's code. find_token occurs in files generated
# before ACCESS_TOKEN replaced it.
_BELOW = frozenset({"ANSWER_SCHEMA", "TOOLS", "connect", "mcp_tools", "find_token"})


@dataclass(slots=True)
class FoundCode:
    """The code that can be loaded into fields, and warnings about the code that can't."""

    answer: str | None = None
    tools: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_code(file: FileParts) -> FoundCode:
    """Return the answer's type and the tools of an agent file."""
    found = FoundCode()
    reader = _Reader(file)
    answer = _answer_class(file)
    start = 0
    if answer is not None:
        end = reader.place_of(answer)
        if end is None:
            found.warnings.append(
                f"answer: {answer} is not defined where answer types are expected"
            )
        else:
            found.answer = reader.read(found, "answer", range(end + 1), end, parse_answer)
            start = end + 1
    for name in _tool_names(file, found):
        place = reader.place_of(name)
        if place is None:
            found.warnings.append(
                f"tools: {name} is not defined where tools belong; it stays in the file unchanged"
            )
            continue
        end = reader.end_of(place, start)
        code = reader.read(found, "tools", range(start, end), place, parse_tool)
        found.tools += [code] if code is not None else []
        start = max(start, end)
    return found


def _answer_class(file: FileParts) -> str | None:
    run = method(file.agent, "run") if file.agent else None
    match run.returns if run else None:
        case ast.Name(id=name) if name != "str":
            return name
    return None


def _tool_names(file: FileParts, found: FoundCode) -> Iterator[str]:
    for node in file.source.tree.body:
        if "TOOLS" not in names_of(node):
            continue
        value = getattr(node, "value", None)
        for item in value.elts if isinstance(value, ast.List) else [value]:
            match item:
                case ast.Call(args=[ast.Name(id=name)], keywords=[]):
                    yield name
                case _:
                    found.warnings.append(
                        f"tools: TOOLS (line {node.lineno}) lists something other than a plain "
                        "function; it stays in the file unchanged"
                    )


class _Reader:
    """The statements of a file that may be the user's code."""

    def __init__(self, file: FileParts) -> None:
        self.lines = [plain(line) for line in file.source.lines]
        body = file.source.tree.body
        below = (n for n, node in enumerate(body) if names_of(node) & _BELOW or node is file.agent)
        last = next(below, len(body))
        above = [n for n, node in enumerate(body[:last]) if names_of(node) & FILE_NAMES]
        first = above[-1] + 1 if above else 0
        self.nodes = body[first:last]
        self.begin = body[first - 1].end_lineno or 0 if first else 0
        self.end = _first_line(body[last]) if last < len(body) else len(self.lines)
        self.imports = list(_imports(body))

    def place_of(self, name: str) -> int | None:
        """Return the index of the statement that defines a name, or None."""
        for place, node in enumerate(self.nodes):
            if name in names_of(node):
                return place
        return None

    def end_of(self, function: int, start: int) -> int:
        """Return the index after the last statement that a tool needs."""
        return max(function, *self._needed(function), start) + 1

    def _needed(self, place: int) -> list[int]:
        """Return the indexes of a statement and of all that it needs, directly or not."""
        needed, waiting = {place}, [place]
        while waiting:
            used = _used(self.nodes[waiting.pop()])
            for other, node in enumerate(self.nodes):
                if other not in needed and names_of(node) & used:
                    needed.add(other)
                    waiting.append(other)
        return sorted(needed)

    def read(
        self,
        found: FoundCode,
        field_name: str,
        places: range,
        main: int,
        parse: Callable[[str], object],
    ) -> str | None:
        """Return the code of a field: the whole range, or else only the statements it needs."""
        problem: CodeProblem | None = None
        whole = [*places] if main in places else []
        for chosen in filter(None, (whole, self._needed(main))):
            source = self._source(chosen, whole=chosen == whole)
            try:
                parse(source)
            except CodeProblem as error:
                problem = problem or error
            else:
                return source
        node = self.nodes[main]
        name = next(iter(names_of(node)))
        message = problem.message if problem else ""
        found.warnings.append(
            f"{field_name}: {name} (line {node.lineno}) can't be loaded: {message}; it stays "
            "in the file unchanged"
        )
        return None

    def _source(self, places: Sequence[int], *, whole: bool) -> str:
        body = self._span(places) if whole else "\n\n\n".join(self._single(n) for n in places)
        try:
            parsed = parse_code(body)
            used = global_names(parsed.tree, parsed.scopes)
        except CodeProblem:
            used = set()
        statements = render_imports(each for each in self.imports if each.bound in used)
        return "\n".join(statements) + "\n\n\n" + body if statements else body

    def _span(self, places: Sequence[int]) -> str:
        """Return the lines of adjacent statements, with the comments around them."""
        first, last = places[0], places[-1]
        # Two blank lines separate the code of one field from the next.
        above = self._gap(first).partition("\n\n\n")[2] if first else self._gap(first)
        below = self._gap(last + 1).partition("\n\n\n")[0]
        lines = self.lines[_first_line(self.nodes[first]) : self.nodes[last].end_lineno]
        return (above + "".join(lines) + below.removeprefix("\n")).strip("\n") + "\n"

    def _gap(self, place: int) -> str:
        """Return the lines between a statement and the previous one, after a line end."""
        start = self.nodes[place - 1].end_lineno or 0 if place else self.begin
        end = _first_line(self.nodes[place]) if place < len(self.nodes) else self.end
        return "\n" + "".join(self.lines[start:end])

    def _single(self, place: int) -> str:
        start = _first_line(self.nodes[place])
        while start > 0 and self.lines[start - 1].startswith("#"):
            start -= 1
        return "".join(self.lines[start : self.nodes[place].end_lineno]).rstrip("\n")


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)]) - 1


def _used(node: ast.stmt) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _imports(body: Sequence[ast.stmt]) -> Iterator[Import]:
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            try:
                yield from read_imports(node)
            except CodeProblem:
                continue  # a field's code can't contain such an import
