import ast
import math
import operator
from collections.abc import Callable

CALCULATOR_LONGEST = 200
CALCULATOR_DIGITS = 100


def _power(base: float, exponent: float) -> float:
    # Looked at before it is worked out: 9**9**9 has 370 million digits.
    if base and abs(exponent * math.log10(abs(base))) > CALCULATOR_DIGITS:
        raise ValueError("the numbers become too large or too small")
    if base < 0 and exponent != int(exponent):
        raise ValueError("no real number is that power of a negative number")
    return float(base**exponent) if exponent < 0 else base**exponent


def _value(node: ast.expr) -> float:
    operators: dict[type[ast.operator], Callable[[float, float], float]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: _power,
    }
    value: float
    match node:
        case ast.Constant(value=int() | float() as number):
            value = number
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            value = -_value(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            value = _value(inner)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in operators:
            value = operators[type(sign)](_value(left), _value(right))
        case _:
            raise ValueError(f"{ast.unparse(node)}: not numbers with + - * / // % **")
    if not -(10**CALCULATOR_DIGITS) < value < 10**CALCULATOR_DIGITS:
        raise ValueError("the numbers become too large")
    return value


def calculator(expression: str) -> str:
    """Work out an arithmetic expression.

    Args:
        expression: Numbers, + - * / // % **, and parentheses: "2 * (3 + 4) ** 2".
    """
    if len(expression) > CALCULATOR_LONGEST:
        raise ValueError(f"longer than {CALCULATOR_LONGEST} characters")
    value = _value(ast.parse(expression.strip(), mode="eval").body)
    return f"{value:.15g}" if isinstance(value, float) else str(value)
