"""Retirement help: moves an agent file to another model by changing one literal."""

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
    """One model to move to, and the file when it has."""

    id: str
    label: str
    price: Price | None
    context_window: int | None
    problems: tuple[str, ...]
    """What else in the file that model would refuse, to be changed by hand."""
    diff: str
    """Unified; a \\ line says where the last line has no end."""
    code: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What becomes of a file's model, and the ways on."""

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
    """Return what the catalog says of a file's model, and the file moved to each successor.

    `to` names the one model to move to, whatever becomes of the present one.

    Raises:
        NotOursError: the file isn't one of ours, or its model isn't one plain literal.
        UnknownModelError: `to` is not a model of the file's provider.

    """
    source = read_source(code)
    provider = provider_of(source.tree)
    literal = _model_literal(source)
    is_own = own_base_url(source.tree) is not None  # what that serves only its owner knows
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
    """A file's model, and the text around it."""

    before: str
    written: str
    after: str
    value: str

    def replaced(self, value: str) -> str:
        """Return the file with another value there, in the same quotes where they can stay."""
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
    whole = source.mark + "".join(source.lines)
    literal = _Literal(before, end[len(before) :], whole[len(end) :], node.value)
    if not _is_one_string(literal.written):
        raise NotOursError("has a MODEL put together from pieces: change it by hand")
    return literal


def _text_before(source: Source, line: int, column: int) -> str:
    above = "".join(source.lines[: line - 1])
    return source.mark + above + at_byte(source.lines[line - 1], column)[0]


def _is_one_string(text: str) -> bool:
    """Say whether a text is one string token: no pieces, no brackets, no f-string."""
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
    """Return which of the file's other choices the model would refuse."""
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
    """Return the difference as `patch` and `git apply` read it."""
    old, new = (_lines(text) for text in (before, after))
    shown = difflib.unified_diff(old, new, f"a/{filename}", f"b/{filename}", n=_CONTEXT)
    ending = "\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else f"{line}\n{ending}" for line in shown)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
