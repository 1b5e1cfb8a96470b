"""Moves an agent file from a retiring model to another one, by changing one literal."""

from __future__ import annotations

import ast
import difflib
import io
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.catalog.model import Lifecycle, Model, Price
from llm_agent_builder.errors import NotOursError
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.python_source.constants import BY_FIELD
from llm_agent_builder.python_source.syntax_trees import syntax_tree
from llm_agent_builder.reading.constants import assigned, constant, own_base_url, provider_of
from llm_agent_builder.reading.source import Source, at_byte, read_source

_CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Successor:
    """A model to move to, and the file after the change."""

    id: str
    label: str
    price: Price | None
    context_window: int | None
    problems: tuple[str, ...]
    """Other settings in the file that the model would refuse; the user has to change them."""
    diff: str
    """A unified diff, with the usual \\ line if the last line has no line end."""
    code: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The lifecycle of a file's model, and the models to move to."""

    provider: ProviderEnum
    model: str
    lifecycle: Lifecycle | None
    """None: the catalog doesn't know the model."""
    retires_on: date | None
    note: str | None
    successors: tuple[Successor, ...]


def find_upgrade(
    code: str, catalog: Catalog, *, filename: str = "agent.py", to: str | None = None
) -> Upgrade:
    """Return the catalog's entry for a file's model, and the file changed to each successor.

    `to` is the only model to move to, even if the current one has other successors.

    Raises:
        NotOursError: the file isn't an agent file, or its MODEL isn't a single plain literal.
        UnknownModelError: `to` is not a model of the file's provider.

    """
    source = read_source(code)
    provider = provider_of(source.tree)
    literal = _model_literal(source)
    is_own = own_base_url(source.tree) is not None  # the catalog doesn't know its models
    present = None if is_own else catalog.find(provider, literal.value)
    ids = present.successors if present else ()
    if to is not None:
        catalog.require_allowed(provider, to)
        ids = (to,)
    found = (catalog.find(provider, id_) for id_ in ids)
    return Upgrade(
        provider,
        literal.value,
        present.lifecycle if present else None,
        present.retires_on if present else None,
        catalog.warning(provider, literal.value) if present else None,
        tuple(_successor(source, literal, model, filename) for model in found if model),
    )


@dataclass(frozen=True, slots=True)
class _Literal:
    """The literal of a file's MODEL, and the text around it."""

    before: str
    written: str
    after: str
    value: str

    def replaced(self, value: str) -> str:
        """Return the file with another value, in the same quotes if possible."""
        quote = self.written[-1]
        plain = f"{quote}{value}{quote}"
        return self.before + (plain if _means(plain, value) else repr(value)) + self.after


def _means(literal: str, value: str) -> bool:
    try:
        body = syntax_tree(literal).body
    except (SyntaxError, ValueError):
        return False
    match body:
        case [ast.Expr(value=ast.Constant(value=meant))]:
            return bool(meant == value)
    return False


def _model_literal(source: Source) -> _Literal:
    values = assigned(source.tree, "MODEL")
    if not values:
        raise NotOursError("has no MODEL = ... line, so its model is unknown")
    node = values[0]
    if len(values) > 1:
        raise NotOursError("sets MODEL more than once: change it by hand")
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise NotOursError('has a MODEL that is not a plain "..." literal: change it by hand')
    before = _text_before(source, node.lineno, node.col_offset)
    end = _text_before(source, node.end_lineno or node.lineno, node.end_col_offset or 0)
    whole = source.bom + "".join(source.lines)
    literal = _Literal(before, end[len(before) :], whole[len(end) :], node.value)
    if not _is_one_string(literal.written):
        raise NotOursError("has a MODEL put together from pieces: change it by hand")
    return literal


def _text_before(source: Source, line: int, column: int) -> str:
    above = "".join(source.lines[: line - 1])
    return source.bom + above + at_byte(source.lines[line - 1], column)[0]


def _is_one_string(text: str) -> bool:
    """Return whether a text is a single string token, not several pieces or an f-string."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return False
    kinds = [token.type for token in tokens if token.type not in _LAYOUT]
    return kinds == [tokenize.STRING]


_LAYOUT = {tokenize.NEWLINE, tokenize.NL, tokenize.ENDMARKER}


def _successor(source: Source, literal: _Literal, model: Model, filename: str) -> Successor:
    code = literal.replaced(model.id)
    before = literal.before + literal.written + literal.after
    return Successor(
        model.id,
        model.label,
        model.price,
        model.context_window,
        tuple(_problems(source.tree, model)),
        unified_diff(before, code, filename),
        code,
    )


def _problems(tree: ast.Module, model: Model) -> Sequence[str]:
    """Return the file's other settings that the model would refuse."""
    max_tokens, thinking, effort = (
        constant(tree, BY_FIELD[name].name) for name in ("max_tokens", "thinking", "effort")
    )
    found = model.capabilities.problems(
        max_tokens=max_tokens if isinstance(max_tokens, int) else None,
        thinking=thinking if isinstance(thinking, str) else None,
        effort=effort if isinstance(effort, str) else None,
    )
    return [f"{BY_FIELD[name].name} {problem}" for name, problem in found.items()]


def unified_diff(before: str, after: str, filename: str) -> str:
    """Return a unified diff that `patch` and `git apply` accept."""
    old, new = (_lines(text) for text in (before, after))
    shown = difflib.unified_diff(old, new, f"a/{filename}", f"b/{filename}", n=_CONTEXT)
    ending = "\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else f"{line}\n{ending}" for line in shown)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
