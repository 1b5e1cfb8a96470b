"""Answer types as users write them: valid sources and schemas, and invalid ones."""

from __future__ import annotations

from typing import Any

REPORT = '''\
from enum import Enum
from typing import Annotated, Literal, Optional

from pydantic import BaseModel, ConfigDict, Field

Unit = Literal["c", "f", -1, True, None]


class Sky(str, Enum):
    """What it looks like."""

    CLEAR = "clear"
    GREY = "grey"


class Place(BaseModel):
    """A place."""

    name: str = Field(description="As people call it.", min_length=1, examples=["Rome"])
    people: int | None = Field(default=None, ge=0)


class City(Place):
    country: Optional[str] = None


class Report(BaseModel):
    model_config = ConfigDict(extra="forbid")

    place: City
    sky: Sky
    unit: Unit = "c"
    degrees: list[Annotated[float, Field(gt=-273.15)]]
    notes: list[str] = []
    model_name: str = ""
'''
MODEL = "from pydantic import BaseModel\n"
ENUM = "from enum import Enum\nclass A(Enum):\n    "


def source(body: str, imports: str = MODEL) -> str:
    return f"{imports}class Answer(BaseModel):\n    {body}\n"


def field(body: str) -> str:
    return source(body, "from pydantic import BaseModel, Field\n")


BAD_SOURCES = {
    "nothing": ("", 1, "write class Answer(BaseModel)"),
    "no Python": ("class Answer(BaseModel", 1, "syntax error"),
    "no model at the end": (
        ENUM + "X = 1\n",
        2,
        "write class Answer(BaseModel)",
    ),
    "an alias at the end": (source("a: str") + "B = Answer | None\n", 4, "write class Answer"),
    "no fields": (source("pass"), 2, "has no fields"),
    "no import": ("class Answer(BaseModel):\n    a: str\n", 1, "BaseModel is not imported"),
    "an unused import": (source("a: str", "from enum import Enum\n" + MODEL), 1, "not used"),
    "another import": (source("a: str", "import os\n" + MODEL), 1, "import only"),
    "an old list": (source("a: List[str]", "from typing import List\n" + MODEL), 1, "write list["),
    "an old dict": (source("a: str", "from typing import Dict\n" + MODEL), 1, "keys are fixed"),
    "no import of an old list": (source("a: List[str]"), 3, "List is outdated; write list[...]"),
    "StrEnum": (source("a: str", "from enum import StrEnum\n"), 1, "import only"),
    "a function": (source("a: str") + "def f() -> None: ...\n", 4, "enums and type aliases"),
    "a call": (source("a: str") + "print('x')\n", 4, "enums and type aliases"),
    "a method": (source("a: str\n    def f(self) -> None: ..."), 4, "no code"),
    "a validator": (source("a: str\n    @property\n    def f(self) -> int: ..."), 5, "no code"),
    "a decorated class": ("@print\n" + source("a: str", ""), 2, "decorators"),
    "a keyword": (f"{MODEL}class A(BaseModel, x=1):\n    a: str\n", 2, "keywords"),
    "a metaclass": (f"{MODEL}class A(BaseModel, metaclass=f()):\n  a: str\n", 2, "keywords"),
    "a computed base": ("class A(print()):\n    a: str\n", 1, "neither (BaseModel)"),
    "two bases": (f"{MODEL}class A(BaseModel, int):\n    a: str\n", 2, "neither"),
    "no type": (source("a = 3"), 3, "name: type"),
    "a loop in a class": (source("for a in (): pass"), 3, "no code"),
    "a dictionary": (source("a: dict[str, int]"), 3, "a list of models with the key"),
    "a bare dictionary": (source("a: dict"), 3, "keys are fixed"),
    "a bare list": (source("a: list"), 3, "list[str]"),
    "an unknown type": (source("a: bytes"), 3, "models and enums defined above"),
    "Any": (source("a: Any"), 3, "Any is not defined above"),
    "itself": (source("a: list[Answer]"), 3, "a type can't contain itself"),
    "a class below": (
        source("a: Below") + "class Below(BaseModel):\n    b: str\n",
        3, "not defined above",
    ),
    "text for a type": (source("a: 'str'"), 3, "is not supported"),
    "None twice": (source("a: None | None"), 3, "just None"),
    "an empty union": (
        source("a: Union[()]", "from typing import Union\n" + MODEL),
        4, "not supported",
    ),
    "a float in Literal": (
        source("a: Literal[1.5]", "from typing import Literal\n" + MODEL),
        4, "integers",
    ),
    "a computed default": (source("a: str = input()"), 3, "plain value"),
    "a default of another type": (source("a: str = 3"), 3, "match its field's type"),
    "None by default": (source("a: str = None"), 3, "| None"),
    "a list for a text": (source("a: str = []"), 3, "plain value"),
    "a factory": (field("a: str = Field(default_factory=input)"), 3, "is not supported"),
    "a pattern": (field('a: str = Field(pattern="(")'), 3, "is not supported"),
    "stars": (field("a: str = Field(**{})"), 3, "by name"),
    "by position": (field('a: str = Field("x")'), 3, "by name"),
    "a computed description": (field("a: str = Field(description=input())"), 3, "be a string"),
    "a bound on a text": (field("a: str = Field(ge=3)"), 3, "for int or float"),
    "a bound that isn't one": (field("a: int = Field(ge=True)"), 3, "for int or float"),
    "a bound out of reach": (field(f"a: float = Field(ge={10**400})"), 3, "for int or float"),
    "a length of a number": (field("a: int = Field(min_length=3)"), 3, "for str or list"),
    "a negative length": (field("a: str = Field(min_length=-3)"), 3, "for str or list"),
    "computed examples": (field("a: str = Field(examples=[input()])"), 3, "plain values"),
    "an underscore": (source("_a: str"), 3, 'a_: ... = Field(alias="_a")'),
    "a name of models": (source("json: str"), 3, 'Field(alias="json")'),
    "a name of types": (source("list: str"), 3, "has another meaning"),
    "a name of its own": (
        source("Answer: str\n    b: str\nclass B(BaseModel):\n    Answer: str"),
        6, "has another meaning",
    ),
    "a field twice": (source("a: str\n    a: int"), 4, "already"),
    "a class twice": (source("a: str") + source("a: str", ""), 4, "rename one"),
    "a builtin": (source("a: str").replace("Answer", "int"), 2, "hides"),
    "a name of the file": (
        source("a: str").replace("Answer", "StoppedEarly"),
        2, "reserved in agent files",
    ),
    "a configuration": (
        source(
            "model_config = ConfigDict(frozen=True)",
            "from pydantic import BaseModel, ConfigDict\n",
        ),
        3,
        "forbid",
    ),
    "an enum with code": (ENUM + "X = input()\n", 3, "members"),
    "an enum of another kind": (
        "from enum import Enum\nclass A(int, Enum):\n    X = 'x'\n",
        3, "of its own type",
    ),
    "an empty enum": (ENUM + "'''x'''\n", 2, "no members"),
    "a member twice": (ENUM + "X = 1\n    X = 2\n", 4, "X is defined twice in A"),
    "a member called name": (ENUM + "name = 1\n", 3, "name is a reserved name"),
    "lone surrogate": (field('a: str = Field(description="\\ud800")'), 3, "lone surrogate"),
    "hidden": (source('a: str  # \u202e'), 3, "U+202E"),
    "a variable": (source("a: str") + "x = 3\n", 4, "remove this"),
    "a text alone": ("'''Doc.'''\n" + source("a: str", ""), 1, "remove this"),
}  # fmt: skip


def whole(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


TEXT = {"type": "string"}
deep: dict[str, Any] = TEXT
for _ in range(40):
    deep = {"type": "array", "items": deep}
deeper: dict[str, Any] = {}
deeper["anyOf"] = [deeper]

BAD_SCHEMAS: dict[str, tuple[Any, str, str]] = {
    "empty": ({}, "type", '"type": "object"'),
    "a list": ({"type": "array", "items": TEXT}, "type", "an answer is an object"),
    "no properties": ({"type": "object"}, "properties", "properties"),
    "properties that aren't": ({"type": "object", "properties": [1]}, "properties", "JSON Schema"),
    "a property that isn't": (whole(age="number"), "properties.age", "JSON Schema"),
    "a truth for a schema": (whole(age=True), "properties.age", "JSON Schema"),
    "an unknown type": (whole(age={"type": "date"}), "properties.age.type", "string, integer"),
    "no type": (whole(age={"description": "x"}), "properties.age.type", "must be one of"),
    "types": (whole(a={"type": ["string", "integer"]}), "properties.a.type", "anyOf"),
    "a type of a type": (whole(a={"type": [{}, "null"]}), "properties.a.type", "one of"),
    "a pattern": (
        whole(age={"type": "string", "pattern": "^a"}),
        "properties.age.pattern",
        "is not supported",
    ),
    "oneOf": (whole(a={"oneOf": [TEXT]}), "properties.a.type", "must be one of"),
    "allOf too": (whole(a={**TEXT, "allOf": [TEXT]}), "properties.a.allOf", "not supported"),
    "an unknown key": ({**whole(a=TEXT), "if": {}}, "if", "not supported"),
    "keys of any kind": (
        whole(a={"type": "object", "additionalProperties": TEXT}),
        "properties.a.additionalProperties",
        "must be false",
    ),
    "open": ({**whole(a=TEXT), "additionalProperties": True}, "additionalProperties", "false"),
    "a list of what": (whole(a={"type": "array"}), "properties.a.items", "is missing"),
    "an empty enum": (whole(a={"enum": []}), "properties.a.enum", "at least one"),
    "an enum of a fraction": (whole(a={"enum": [1.5]}), "properties.a.enum", "integers"),
    "an enum of lists": (whole(a={"enum": [[1]]}), "properties.a.enum", "integers"),
    "a huge number": (whole(a={"const": 10**5000}), "properties.a.const", "integers"),
    "required but not there": (
        {**whole(a=TEXT), "required": ["a", "b"]},
        "required",
        "'b' is not among the properties",
    ),
    "required of a list": ({**whole(a=TEXT), "required": [[]]}, "required", "not among"),
    "required by itself": ({**whole(a=TEXT), "required": "a"}, "required", "a list"),
    "leads nowhere": (whole(a={"$ref": "#/$defs/B"}), "properties.a.$ref", "'B' is not in $defs"),
    "leads elsewhere": (whole(a={"$ref": "https://x"}), "properties.a.$ref", "#/$defs/NAME"),
    "leads to itself": (
        {**whole(a={"$ref": "#/$defs/B"}), "$defs": {"B": whole(b={"$ref": "#/$defs/B"})}},
        "$defs.B.properties.b.$ref",
        "contains itself",
    ),
    "the whole is a text": ({"$ref": "#/$defs/B", "$defs": {"B": TEXT}}, "$ref", "an object"),
    "a description that isn't": (
        whole(a={**TEXT, "description": 3}),
        "properties.a.description", "a string",
    ),
    "lone surrogate": (
        whole(a={**TEXT, "description": "\ud800"}),
        "properties.a.description", "lone surrogates",
    ),
    "lone surrogate allowed": (whole(a={"const": "\ud800"}), "properties.a.const", "use strings"),
    "a name of nothing": (whole(**{"": TEXT}), "properties.", "1 to 64 printable"),
    "a name too long": (whole(**{"a" * 65: TEXT}), f"properties.{'a' * 65}", "1 to 64"),
    "a name that hides": (whole(**{"a\u202eb": TEXT}), "properties.a\u202eb", "printable"),
    "a number for a name": ({"type": "object", "properties": {3: TEXT}}, "properties.3", "name"),
    "a default of another type": (whole(a={**TEXT, "default": 3}), "properties.a.default", "plain"),
    "an infinite default": (
        whole(a={"type": "number", "default": float("inf")}),
        "properties.a.default", "plain",
    ),
    "a bound that isn't": (
        whole(a={"type": "integer", "minimum": "3"}),
        "properties.a.minimum", "limit for this type",
    ),
    "a bound that is not one": (
        whole(a={"type": "number", "minimum": float("nan")}),
        "properties.a.minimum", "limit for this type",
    ),
    "a negative length": (whole(a={**TEXT, "minLength": -1}), "properties.a.minLength", "limit"),
    "too deep": (whole(a=deep), f"properties.a{'.items' * 16}", "16 levels"),
    "endless": (whole(a=deeper), "", "65,536 characters"),
    "too wide": (whole(**{f"a{n}": TEXT for n in range(2000)}), "properties.a999", "1000 parts"),
}  # fmt: skip
