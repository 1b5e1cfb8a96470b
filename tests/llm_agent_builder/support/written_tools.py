"""Tools as users write them: valid sources, and invalid ones with their messages."""

from __future__ import annotations

from llm_agent_builder.user_code.parse import TOOL_MAX_BYTES

DOC = '    """Say it."""\n'
ECHO = f"def echo(text: str) -> str:\n{DOC}    return text\n"
MANY_TYPES = '''\
from __future__ import annotations
import json, math  # numbers
from typing import (
    Optional, Union,
    Literal,  # the unit
)

# At most this many.
MAX_DAYS: int = 2 * 7
ALLOWED = frozenset({"Paris", "Rome"})


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def forecast(
    city: str,
    unit: Literal["c", "f"] = "c",
    days: int = 3,
    *,
    exact: bool = False,
    values: list[float] | None = None,
    names: Optional[dict[str, int]] = None,
    place: Union[int, str] = -1,
    scale: float = 1,
    only: Literal[3] = 3,
    nested: dict[str, list[int | None]] | None = None,
) -> str:
    """Forecast the weather.

    Of any city.

    Args:
        city: The city, with
            its country.
        days (int): How many.
            note: at most MAX_DAYS.

    Returns:
        A text.
    """
    return json.dumps([city in ALLOWED, unit, MAX_DAYS, _mean(values or [1.0]), exact])
'''


def tool(*, above: str = "", head: str = "text: str", body: str = "return text") -> str:
    """Return a tool; its `def` is on line 1 plus the number of lines above."""
    return f"{above}def echo({head}) -> str:\n{DOC}    {body}\n"


def typed(annotation: str) -> str:
    return tool(head=f"text: str, more: {annotation} = None")


BAD = {
    "nothing": ("", 1, "write def name"),
    "only a comment": ("# nothing\n", 1, "write def name"),
    "does not parse": ("def echo(text: str -> str:\n    return text\n", 1, "syntax error"),
    "ends in the middle": (ECHO + '    """', 4, "syntax error"),
    "indented": ("    " + ECHO, 1, "unexpected indent"),
    "no function": ("LIMIT = 3\n", 1, "no function for the model"),
    "only a helper": (ECHO.replace("echo", "_echo"), 1, "no function for the model"),
    "two functions": (f"{ECHO}\n\n{ECHO.replace('echo', 'other')}", 6, "a helper: _other"),
    "the same name twice": (f"{ECHO}\n\n{tool()}".replace("echo", "_a") + ECHO, 6, "rename one"),
    "no docstring": ("def echo(text: str) -> str:\n    return text\n", 1, "has no docstring"),
    "an empty docstring": (ECHO.replace("Say it.", "  "), 1, "has no docstring"),
    "an f-string for it": (ECHO.replace('"""Say', 'f"""Say'), 1, "has no docstring"),
    "a parameter without type": (tool(head="text"), 1, "write for example text: str"),
    "a helper's without type": (f"def _up(text) -> str: ...\n{ECHO}", 1, "has no type"),
    "a nested one's without type": (
        tool(body="def inner(part):\n        return part\n    return inner(text)"),
        3,
        "parameter part of inner has no type",
    ),
    "no return type": (ECHO.replace(" -> str", ""), 1, "-> str"),
    "another return type": (ECHO.replace("-> str", "-> int"), 1, "return str(...)"),
    "no return": (tool(body="print(text)"), 1, "end it with return"),
    "a bare return": (tool(body="return"), 3, "returns nothing"),
    "a generator": (tool(body="yield text"), 3, "collect the text"),
    "*args": (tool(head="*text: str"), 1, "*text; name each parameter"),
    "**kwargs": (tool(head="**text: str"), 1, "**text; name each parameter"),
    "positional only": (tool(head="text: str, /"), 1, "remove the /"),
    "async": (f"async {ECHO}", 1, "write def"),
    "decorated": (f"import functools\n@functools.cache\n{ECHO}", 2, "remove the @ line"),
    "a class": (f"class A:\n    pass\n\n{ECHO}", 1, "move it inside"),
    "unused import": (tool(above="import re\nimport json\n"), 1, "is imported but not used"),
    "unused name": (tool(above="from os import path\n"), 1, "path is imported but not used"),
    "dotted import": (tool(above="import os.path\n"), 1, "from os import path"),
    "star import": (tool(above="from os import *\n"), 1, "name what you need"),
    "relative import": (tool(above="from . import other\n"), 1, "paste the code in"),
    "a package": (tool(above="import requests\n"), 1, "urllib.request"),
    "a module of some Pythons": (tool(above="import tomllib\n"), 1, "3.10 to 3.14"),
    "a future": (tool(above="from __future__ import division\n"), 1, "standard library"),
    "import inside": (tool(body="import re\n    return text"), 3, "move it to the top"),
    "import below": (f"{ECHO}import re\n", 4, "move it to the top"),
    "import beside code": (tool(above="import re; X = 1\n"), 1, "its own line"),
    "hides a builtin": (ECHO.replace("echo", "print"), 1, "choose another name"),
    "a builtin as a constant": (f"list = 3\n{ECHO}", 1, "LIST"),
    "imports over a builtin": (tool(above="from os import open\n"), 1, "hides a Python builtin"),
    "the file's own name": (ECHO.replace("echo", "main"), 1, "reserved in agent files"),
    "the file's own constant": (f"MODEL = 3\n{ECHO}", 1, "reserved in agent files"),
    "the file's import": (f"from os import path as json\n{ECHO}", 1, "import json"),
    "another Callable": (f"from typing import Callable\n{ECHO}", 1, "from collections.abc import"),
    "a dunder": (f"__ALL__ = 3\n{ECHO}", 1, "reserved in agent files"),
    "a call": (f"{ECHO}\n\necho('x')\n", 6, "this statement would run when the file is imported"),
    "a computed constant": (f"HOME = open('x')\n{ECHO}", 1, "inside the function"),
    "a lambda": (f"F = lambda: 3\n{ECHO}", 1, "inside the function"),
    "a comprehension": (f"F = [x for x in (1, 2)]\n{ECHO}", 1, "inside the function"),
    "an attribute": (f"import os\nF = os.name\n{ECHO}", 2, "inside the function"),
    "a keyword to frozenset": (f"F = frozenset((), **{{}})\n{ECHO}", 1, "inside the function"),
    "a call in frozenset": (f"F = frozenset((open('x'),))\n{ECHO}", 1, "inside the function"),
    "a variable": (f"state = 3\n{ECHO}", 1, "call it STATE"),
    "two at once": (f"A = B = 3\n{ECHO}", 1, "one per line"),
    "unpacked": (f"A, B = 3, 4\n{ECHO}", 1, "one per line"),
    "a declaration": (f"A: int\n{ECHO}", 1, "one per line"),
    "an if": (f"if True:\n    A = 3\n{ECHO}", 1, "move it inside"),
    "a loop": (f"while True:\n    pass\n{ECHO}", 1, "move it inside"),
    "a text above": (f'"""Tools."""\n{ECHO}', 1, "right below def"),
    "a default that runs": (tool(head="text: str = open('x').read()"), 1, "evaluated when"),
    "a helper's default": (f"def _f(x: int = id(3)) -> None: ...\n{ECHO}", 1, "evaluated when"),
    "a mutable default": (tool(head="text: list[str] = []"), 1, "evaluated when"),
    "None by default": (tool(head="text: str = None"), 1, "add | None to the type"),
    "a default of another type": (tool(head="text: int = 'x'"), 1, "match its type"),
    "a truth for a number": (tool(head="text: int = True"), 1, "match its type"),
    "a default not in the list": (
        "from typing import Literal\n" + tool(head="text: Literal['a'] = 'b'"),
        2,
        "match its type",
    ),
    "Any": (f"from typing import Any\n{typed('Any')}", 2, "list[...], dict[str, ...], Literal"),
    "a bare list": (typed("list"), 1, "write for example list[str]"),
    "a bare dict": (typed("dict"), 1, "dict[str, str]"),
    "keys of numbers": (typed("dict[int, str]"), 1, "is not supported; use str, int"),
    "a tuple": (typed("tuple[int, int]"), 1, "is not supported"),
    "bytes": (typed("list[bytes]"), 1, "bytes is not supported"),
    "text for a type": (typed("'str'"), 1, "is not supported"),
    "a call for a type": (typed("print('x')"), 1, "print('x') is not supported"),
    "an own Literal": (f"LITERAL = 3\n{typed('LITERAL[3]')}", 2, "is not supported"),
    "no import of Literal": (typed("Literal['a'] | None"), 1, "Literal is not defined here"),
    "an empty Literal": (f"from typing import Literal\n{typed('Literal[()]')}", 2, "must all be"),
    "a mixed Literal": (
        "from typing import Literal\n" + typed("Literal[1, 'a']"),
        2,
        "must all be",
    ),
    "a name for the API": (ECHO.replace("echo", "écho"), 1, "ASCII"),
    "a capital": (ECHO.replace("echo", "Echo"), 1, "start with a lowercase letter"),
    "too long a name": (ECHO.replace("echo", "e" * 65), 1, "64 characters"),
    "a parameter for the API": (tool(head="größe: str", body="return größe"), 1, "ASCII"),
    "a hidden parameter": (tool(head="_x: str", body="return _x"), 1, "start with an ASCII"),
    "the same parameter twice": (tool(head="text: str, text: str"), 1, "duplicate argument"),
    "not defined": (tool(body="return shout(text)"), 3, "shout is not defined here"),
    "not defined, global": (tool(body="global x; x = 3\n    return text"), 3, "global x"),
    "too new a builtin": (tool(body="raise ExceptionGroup(text, [])"), 3, "not defined here"),
    "break outside a loop": (tool(body="break"), 3, "syntax error"),
    "await in def": (tool(body="await text"), 3, "syntax error"),
    "except*": (
        tool(body="try:\n        return text\n    except* OSError:\n        raise"),
        6,
        "syntax error",
    ),
    "a warning of Python's": (tool(body="return text + '\\d'"), 3, "Python warns"),
    "a comparison that warns": (tool(body="return text if 3 is 3 else ''"), 3, "Python warns"),
    "NUL": (ECHO + "# \0\n", 4, "U+0000"),
    "a form feed": (ECHO + "\x0c\n", 4, "U+000C"),
    "a vertical tab": (ECHO + "# \x0b\n", 4, "U+000B"),
    "a lone surrogate": (tool(body="return '\ud800'"), 3, "write \\ud800"),
    "code hiding": (tool(body="# \u202e } \u2066 if admin"), 3, "RIGHT-TO-LEFT OVERRIDE"),
    "a tag character": (tool(body="return '\U000e0041'"), 3, "\\U000e0041"),
    "a BOM inside": (ECHO + "# \ufeff\n", 4, "U+FEFF"),
    "a line that editors part": (ECHO + "# \u2028import os\n", 4, "U+2028"),
    "a list of requirements": (ECHO + "# /// script\n# ///\n", 4, "list of requirements"),
    "one in a text": (tool(body='return """\n# /// script\n"""'), 4, "list of requirements"),
    "a megabyte": (ECHO + "#" * 2**20, 1, f"at most {TOOL_MAX_BYTES:,}"),
    "deep brackets": (tool(body="return " + "(" * 5000 + ")" * 5000), None, ""),
    "deep operators": (tool(body="return text" + " + text" * 2000), None, "nested"),
    "deep not": (tool(body="return str(" + "not " * 5000 + "text)"), None, ""),
    "deep attributes": (tool(body="return text" + ".x" * 5000), None, "nested"),
    "deep indentation": (
        tool(body="".join("    " * n + "if text:\n    " for n in range(99)) + "    " * 99 + "pass"),
        None,
        "",
    ),
    "finally in finally": (
        tool(
            body="".join(
                f"{'  ' * n}try: return text\n    {'  ' * n}finally:\n    " for n in range(19)
            )
            + "  " * 19
            + "pass"
        ),
        1,
        "finally blocks",
    ),
}
