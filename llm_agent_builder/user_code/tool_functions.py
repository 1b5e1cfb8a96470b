"""Checks each function and constant in a tool's source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.user_code.parse import is_constant_name, refuse_surrogates
from llm_agent_builder.user_code.type_schema import Schema, Types, fits, read_docstring

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Names of tools and parameters that both providers' APIs accept.
_TOOL_NAME = re.compile(r"[a-z][A-Za-z0-9_]{0,63}")
_PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COLLECTIONS = (ast.Tuple, ast.List, ast.Set, ast.Dict)


def check_annotated(node: ast.AST, in_class: bool = False) -> None:
    """Check that every function below a node has types, as `mypy --strict` requires.

    Raises:
        CodeProblem: a parameter or a return value has no type.

    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            _check_signature(child, skip_first=in_class)
        check_annotated(child, isinstance(child, ast.ClassDef))


def _check_signature(function: Function, skip_first: bool) -> None:
    for each in _parameters(function.args)[skip_first:]:
        if each.annotation is None:
            raise CodeProblem(
                each.lineno,
                f"parameter {each.arg} of {function.name} has no type; "
                f"write for example {each.arg}: str",
            )
    if function.returns is None:
        message = f"{function.name} has no return type; write for example -> str:"
        raise CodeProblem(function.lineno, message)


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return named + [each for each in (arguments.vararg, arguments.kwarg) if each]


def check_top_level(function: Function) -> None:
    """Check a function at the top level of a tool's source.

    Raises:
        CodeProblem: it is async, decorated, or has a default that runs code on import.

    """
    if isinstance(function, ast.AsyncFunctionDef):
        message = f"{function.name} is async, but tools are called synchronously; write def"
        raise CodeProblem(function.lineno, message)
    if function.decorator_list:
        line = function.decorator_list[0].lineno
        raise CodeProblem(line, f"{function.name} has a decorator; remove the @ line")
    for default in (*function.args.defaults, *function.args.kw_defaults):
        if default is not None and not isinstance(constant_value(default), _PLAIN):
            message = (
                "a default is evaluated when the file is imported; use a string, a number, "
                "True, False or None"
            )
            raise CodeProblem(default.lineno, message)


_PLAIN = (str, int, float, bool, type(None))


def constant_value(node: ast.expr) -> object:
    """Return the value of a plain literal, such as -3; else the node itself."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = constant_value(node.operand)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return -value if number else node  # type: ignore[operator]
    return node.value if isinstance(node, ast.Constant) else node


def check_constant(node: ast.Assign | ast.AnnAssign) -> str:
    """Check that a constant is made of literals only, and return its name.

    Raises:
        CodeProblem: it isn't a single constant made of literals.

    """
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name) or node.value is None:
        raise CodeProblem(node.lineno, "is not a constant; write NAME = value, one per line")
    name = targets[0].id
    if not is_constant_name(name):
        message = f"{name} is not named like a constant; call it {name.upper()} or move it inside"
        raise CodeProblem(node.lineno, message)
    for part in _parts(node.value):
        if not _is_inert(part):
            message = f"{name} is computed when the file is imported; do that inside the function"
            raise CodeProblem(getattr(part, "lineno", node.lineno), message)
    return name


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    """Yield the expressions that are evaluated to create a constant."""
    yield value
    if isinstance(value, ast.Call) and _is_frozenset(value):
        yield from (part for argument in value.args for part in _parts(argument))
        return
    for child in ast.iter_child_nodes(value):
        if isinstance(child, ast.expr):
            yield from _parts(child)


def _is_inert(part: ast.expr) -> bool:
    if isinstance(part, ast.Name):
        return is_constant_name(part.id)
    if isinstance(part, ast.Call):
        return _is_frozenset(part)
    return isinstance(part, (ast.Constant, ast.BinOp, ast.UnaryOp, *_COLLECTIONS))


def _is_frozenset(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "frozenset" and not call.keywords


def read_tool(function: ast.FunctionDef, types: Types) -> tuple[str, Schema]:
    """Return a tool's description and the JSON Schema of its parameters, as sent to the model.

    Raises:
        CodeProblem: the function can't be a tool; names the line and a fix.

    """
    if not _TOOL_NAME.fullmatch(function.name):
        message = (
            f"{function.name} can't be a tool's name; start with a lowercase letter, then "
            "use ASCII letters, digits and _, at most 64 characters"
        )
        raise CodeProblem(function.lineno, message)
    docstring = ast.get_docstring(function)
    description, descriptions = read_docstring(docstring or "")
    if not description:
        message = (
            f'{function.name} has no docstring; write """What it does.""" as its first line: the '
            "model reads it"
        )
        raise CodeProblem(function.lineno, message)
    refuse_surrogates(function.body[0])
    refuse_surrogates(function.args)
    _check_return(function)
    return description, _input_schema(function, types, descriptions)


def _check_return(function: ast.FunctionDef) -> None:
    returns = function.returns
    if not isinstance(returns, ast.Name) or returns.id != "str":
        line = returns.lineno if returns else function.lineno
        raise CodeProblem(line, "a tool must return text; write -> str and return str(...)")
    own = list(_own_scope(function))
    for node in own:
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            raise CodeProblem(node.lineno, "a tool can't yield; collect the text, then return it")
        if isinstance(node, ast.Return) and node.value is None:
            raise CodeProblem(node.lineno, 'returns nothing; return a string, for example "done"')
    if not any(isinstance(node, (ast.Return, ast.Raise)) for node in own):
        message = f"{function.name} returns nothing; end it with return and a string"
        raise CodeProblem(function.lineno, message)


def _own_scope(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _OWN_SCOPE):
            yield child
            yield from _own_scope(child)


def _input_schema(function: ast.FunctionDef, types: Types, descriptions: dict[str, str]) -> Schema:
    arguments = function.args
    for star, extra in (("*", arguments.vararg), ("**", arguments.kwarg)):
        if extra:
            message = f"the model can't fill {star}{extra.arg}; name each parameter"
            raise CodeProblem(extra.lineno, message)
    if arguments.posonlyargs:
        line = arguments.posonlyargs[0].lineno
        raise CodeProblem(line, "the model passes parameters by name; remove the /")
    properties = {each.arg: _property(each, types, descriptions) for each in _parameters(arguments)}
    defaults = _defaults(arguments)
    for name, node in defaults.items():
        value = constant_value(node)
        if not fits(value, properties[name]):
            hint = "add | None to the type" if value is None else "use a value of that type"
            message = f"the default of {name} doesn't match its type; {hint}"
            raise CodeProblem(node.lineno, message)
        properties[name]["default"] = value
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [name for name in properties if name not in defaults]
    return schema | ({"required": required} if required else {})


def _property(parameter: ast.arg, types: Types, descriptions: dict[str, str]) -> Schema:
    name = parameter.arg
    if not _PARAMETER_NAME.fullmatch(name):
        message = (
            f"{name} can't be a parameter's name; start with an ASCII letter, then use letters, "
            "digits and _, at most 64 characters"
        )
        raise CodeProblem(parameter.lineno, message)
    assert parameter.annotation is not None  # check_annotated has checked it
    schema = dict(types.schema(parameter.annotation))
    return schema | ({"description": descriptions[name]} if descriptions.get(name) else {})


def _defaults(arguments: ast.arguments) -> dict[str, ast.expr]:
    positional = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    found = dict(zip((each.arg for each in positional), arguments.defaults, strict=True))
    by_name = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return found | {each.arg: value for each, value in by_name if value is not None}
