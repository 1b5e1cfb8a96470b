"""Hypothesis strategies for manual edits of a file."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from hypothesis import strategies as st

from llm_agent_builder.reading.source import read_source

TOP = (
    "# a note{0} with \"quotes\" and '''more'''\n",
    "LIMIT{0} = 3  # mine\n",
    "\n\ndef helper{0}(x: int) -> int:\n    '''Mine.'''\n    return x + 1\n\n\n",
    "\n\nclass Shape{0}:\n    size = 1\n\n\n",
    "import math as math{0}\n",
    'TEXT{0} = """\\\nNAME = "no field"\n\tMODEL = 3 # inside a text\n"""\n',
    "if True:\n\tTABBED{0} = 1\n",
    "\n\n\n",
)
INSIDE = (
    "# a note{0}\n",
    "mine{0} = 1  # with a note\n",
    "if True:\n{indent}    mine{0} = [\n{indent}        1,\n{indent}    ]\n",
)


@dataclass(frozen=True)
class Insertion:
    """Lines put in front of a line of a file, counted from 0."""

    line: int
    text: str


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)]) - 1


def _inner_lines(tree: ast.Module) -> list[tuple[int, int]]:
    """Return the lines and columns at which statements of functions begin."""
    return [
        (_first_line(node), node.col_offset)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in function.body[1:]
    ]


@st.composite
def insertions(draw: st.DrawFn, code: str) -> list[Insertion]:
    """Draw statements and comments to put between those of a file."""
    tree = read_source(code).tree
    outer = sorted({_first_line(node) for node in tree.body[2:]} | {code.count("\n")})
    inner = _inner_lines(tree)
    made = []
    for number in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            text = draw(st.sampled_from(TOP)).format(f"_{number}x")
            made.append(Insertion(draw(st.sampled_from(outer)), text))
        else:
            line, column = draw(st.sampled_from(inner))
            indent = " " * column
            text = draw(st.sampled_from(INSIDE)).format(f"_{number}x", indent=indent)
            made.append(Insertion(line, indent + text))
    return made


def insert(code: str, made: list[Insertion]) -> str:
    """Return the file with the insertions."""
    lines = code.split("\n")
    for each in sorted(made, key=lambda insertion: -insertion.line):
        lines[each.line : each.line] = each.text.removesuffix("\n").split("\n")
    return "\n".join(lines)


@st.composite
def damaged(draw: st.DrawFn, code: str) -> str:
    """Draw a file that lost, doubled and swapped lines and characters."""
    lines = code.split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "cut", "add"])):
            case "drop":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, 20))]
            case _:
                lines[at] += draw(st.sampled_from(["  # note", ",", ")", "\\", '"""', "\r", "\f"]))
        lines = lines or [""]
    return "\n".join(lines)
