"""What is asked of each function and constant in a tool's source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.user_code.parse import is_constant_name, refuse_surrogates
from llm_agent_builder.user_code.type_schema import Schema, Types, fits, read_docstring

Function = ast.FunctionDef | ast.AsyncFunctionDef

# What both providers' APIs take as the name of a tool and of its parameters.
_TOOL_NAME = re.compile(r"[a-z][A-Za-z0-9_]{0,63}")
_PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COLLECTIONS = (ast.Tuple, ast.List, ast.Set, ast.Dict)


def check_annotated(node: ast.AST, in_class: bool = False) -> None:
    """Check that every function below a node has types: `mypy --strict` asks for them.

    Raises:
        CodeProblem: a parameter or a return value has none.

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
        message = f"{function.name} doesn't say what it returns; write for example -> str:"
        raise CodeProblem(function.lineno, message)


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return named + [each for each in (arguments.vararg, arguments.kwarg) if each]


def check_top_level(function: Function) -> None:
    """Check what any function at the top of a tool's source must be.

    Raises:
        CodeProblem: it is async, decorated, or has a default that does something on import.

    """
    if isinstance(function, ast.AsyncFunctionDef):
        message = f"{function.name} is async, but tools are called plainly; write def"
        raise CodeProblem(function.lineno, message)
    if function.decorator_list:
        line = function.decorator_list[0].lineno
        raise CodeProblem(line, f"{function.name} has a decorator; remove the @ line")
    for default in (*function.args.defaults, *function.args.kw_defaults):
        if default is not None and not isinstance(constant_value(default), _PLAIN):
            message = (
                "a default is evaluated when the file is imported; let it be a text, a number, "
                "True, False or None"
            )
            raise CodeProblem(default.lineno, message)


_PLAIN = (str, int, float, bool, type(None))


def constant_value(node: ast.expr) -> object:
    """Return the value of a plain literal, a negative number included; else the node itself."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = constant_value(node.operand)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return -value if number else node  # type: ignore[operator]
    return node.value if isinstance(node, ast.Constant) else node


def check_constant(node: ast.Assign | ast.AnnAssign) -> str:
    """Return the name of a constant, after checking that making it does nothing else.

    Raises:
        CodeProblem: it isn't one constant of literals.

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
    """Return the expressions that making a constant evaluates."""
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
    """Return what the model is told of a tool: its description and its parameters' JSON Schema.

    Raises:
        CodeProblem: the function can't be a tool; names the line and a fix.

    """
    if not _TOOL_NAME.fullmatch(function.name):
        message = (
            f"{function.name} can't be a tool's name; begin with a small letter, then ASCII "
            "letters, digits and _, 64 characters at most"
        )
        raise CodeProblem(function.lineno, message)
    docstring = ast.get_docstring(function)
    description, said = read_docstring(docstring or "")
    if not description:
        message = (
            f'{function.name} has no docstring; write """What it does.""" as its first line: the '
            "model reads that"
        )
        raise CodeProblem(function.lineno, message)
    refuse_surrogates(function.body[0])
    refuse_surrogates(function.args)
    _check_return(function)
    return description, _input_schema(function, types, said)


def _check_return(function: ast.FunctionDef) -> None:
    returns = function.returns
    if not isinstance(returns, ast.Name) or returns.id != "str":
        line = returns.lineno if returns else function.lineno
        raise CodeProblem(
            line, "a tool answers the model in text; write -> str and return str(...)"
        )
    own = list(_own_scope(function))
    for node in own:
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            raise CodeProblem(node.lineno, "a tool can't yield; collect the text, then return it")
        if isinstance(node, ast.Return) and node.value is None:
            raise CodeProblem(node.lineno, 'returns nothing; return a string, for example "done"')
    if not any(isinstance(node, (ast.Return, ast.Raise)) for node in own):
        message = f"{function.name} returns nothing; end it with return and a text"
        raise CodeProblem(function.lineno, message)


def _own_scope(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _OWN_SCOPE):
            yield child
            yield from _own_scope(child)


def _input_schema(function: ast.FunctionDef, types: Types, said: dict[str, str]) -> Schema:
    arguments = function.args
    for star, extra in (("*", arguments.vararg), ("**", arguments.kwarg)):
        if extra:
            message = f"the model can't fill {star}{extra.arg}; name each parameter"
            raise CodeProblem(extra.lineno, message)
    if arguments.posonlyargs:
        line = arguments.posonlyargs[0].lineno
        raise CodeProblem(line, "the model passes parameters by name; remove the /")
    properties = {each.arg: _property(each, types, said) for each in _parameters(arguments)}
    defaults = _defaults(arguments)
    for name, node in defaults.items():
        value = constant_value(node)
        if not fits(value, properties[name]):
            hint = " write ... | None for it" if value is None else " give it one that is"
            message = f"the default of {name} is not of its type;{hint}"
            raise CodeProblem(node.lineno, message)
        properties[name]["default"] = value
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [name for name in properties if name not in defaults]
    return schema | ({"required": required} if required else {})


def _property(parameter: ast.arg, types: Types, said: dict[str, str]) -> Schema:
    name = parameter.arg
    if not _PARAMETER_NAME.fullmatch(name):
        message = (
            f"{name} can't be a parameter's name; begin with an ASCII letter, then letters, "
            "digits and _, 64 characters at most"
        )
        raise CodeProblem(parameter.lineno, message)
    assert parameter.annotation is not None  # checked for all functions
    schema = dict(types.schema(parameter.annotation))
    return schema | ({"description": said[name]} if said.get(name) else {})


def _defaults(arguments: ast.arguments) -> dict[str, ast.expr]:
    positional = arguments.args[len(arguments.args) - len(arguments.defaults) :]
    found = dict(zip((each.arg for each in positional), arguments.defaults, strict=True))
    by_name = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return found | {each.arg: value for each, value in by_name if value is not None}
