"""AgentBuilder: from an AgentSpec to the source of one readable Python file."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
import unicodedata
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from llm_agent_builder.errors import SpecError, TemplateError
from llm_agent_builder.literals import python_literal
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.spec import AgentSpec, make_spec

MAX_TOKENS = 4096
"""The bound of one answer that a generated file sets; its owner may change it there."""

_FALLBACK_CLASS = "Agent"
_NAME_MAX_CHARS = 60
# Marks and letters that an identifier may hold but nobody can see, such as emoji's selectors.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# Names of the templates' own; a class called like one of them would shadow it.
_TEMPLATE_NAMES = frozenset({"InferenceClient", "Callable", "StoppedEarly", "EXAMPLE_TASK"})
_TEMPLATE_NAMES |= {"NAME", "MODEL", "BASE_URL", "MAX_TOKENS", "SYSTEM_PROMPT"}
# A script's own folder comes first when it imports: a file named like a module that Python or an
# SDK imports (email.py, json.py) would be imported in its place.
_SDK_MODULES = (
    "aiohappyeyeballs aiohttp aiosignal annotated_types anthropic anyio attr attrs brotli certifi "
    "charset_normalizer click cryptography cython_runtime distro docstring_parser exceptiongroup "
    "filelock frozenlist fsspec h11 h2 hf_xet hpack httpcore httpcore2 httpx httpx2 "
    "huggingface_hub idna jiter multidict numpy opentelemetry packaging propcache pydantic "
    "pydantic_core requests rich sniffio socksio tqdm truststore typing_extensions "
    "typing_inspection urllib3 yaml yarl zstandard"
)
_DEVICES = frozenset({"aux", "con", "nul", "prn"})  # Windows keeps these, whatever the suffix,
_DEVICES |= {f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)}  # and these
_TAKEN_STEMS = sys.stdlib_module_names | set(_SDK_MODULES.split()) | _DEVICES
# The stand-ins of the reference that every rendered file is compared with.
_REFERENCE = {"name": "reference name", "model": "reference model"}
_REFERENCE |= {"prompt": "reference prompt", "task": "reference task"}
_REFERENCE_CLASS = "ReferenceAgent"


def class_name_for(name: str) -> str:
    """Return the class name for an agent's name: "code reviewer 2" gives `CodeReviewer2`.

    Letters of any script stay; what can't stand in an identifier parts words. Names that Python or
    the file itself already uses get `Agent` behind them; one without a letter or digit is `Agent`.
    """
    plain = _UNSEEN.sub("", unicodedata.normalize("NFKC", name)).replace("_", " ")
    words = "".join(char if f"a{char}".isidentifier() else " " for char in plain).split()
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    if not joined.isidentifier():
        joined = _FALLBACK_CLASS + joined
    joined = unicodedata.normalize("NFKC", joined)[:_NAME_MAX_CHARS]  # as the parser reads it
    taken = keyword.iskeyword(joined) or hasattr(builtins, joined) or joined in _TEMPLATE_NAMES
    return joined + _FALLBACK_CLASS if taken else joined


def filename_for(name: str) -> str:
    """Return a safe file name for an agent's name: "Code Reviewer" gives `code_reviewer.py`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    stem = "_".join(words)[:_NAME_MAX_CHARS].strip("_") or "agent"
    if not stem.isidentifier():
        stem = f"agent_{stem}"  # else the file could not be imported
    return f"{stem}_agent.py" if stem in _TAKEN_STEMS or keyword.iskeyword(stem) else f"{stem}.py"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("llm_agent_builder"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Python is rendered, not HTML; values pass python_literal
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["literal"] = python_literal
    return environment


def _render(spec: AgentSpec, class_name: str, filename: str) -> str:
    provider = PROVIDERS[spec.provider]
    return (
        _environment()
        .get_template(provider.template)
        .render(
            name=spec.name,
            prompt=spec.prompt,
            task=spec.task,
            model=spec.model,
            stream=spec.stream,
            provider=spec.provider.value,
            class_name=class_name,
            filename=filename,
            max_tokens=MAX_TOKENS,
            sdk_requirement=provider.sdk_requirement,
            base_url=provider.upstream + provider.base_url_suffix,
        )
    )


class _ValuesToReference(ast.NodeTransformer):
    """Puts the reference's stand-ins where a tree has exactly the spec's values."""

    def __init__(self, spec: AgentSpec, class_name: str) -> None:
        self.values = {"NAME": spec.name, "MODEL": spec.model}
        self.values |= {"SYSTEM_PROMPT": spec.prompt, "EXAMPLE_TASK": spec.task}
        self.stand_ins = dict(zip(self.values, ("name", "model", "prompt", "task"), strict=True))
        self.class_name = class_name

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Replace the value of one of the four constants, if it is what the spec says."""
        target, value = node.targets[0], node.value
        if (
            isinstance(target, ast.Name)
            and isinstance(value, ast.Constant)
            and value.value == self.values.get(target.id)
        ):
            value.value = _REFERENCE[self.stand_ins[target.id]]
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """Replace the agent's class name where it is defined."""
        if node.name == self.class_name:
            node.name = _REFERENCE_CLASS
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace the agent's class name where it is used."""
        if node.id == self.class_name:
            node.id = _REFERENCE_CLASS
        return node


def _without_docstring(tree: ast.Module) -> ast.Module:
    """Drop the module's docstring: it holds the file name, which `filename_for` keeps plain."""
    del tree.body[0]
    return tree


@cache
def _reference_shape(provider: ProviderEnum, stream: bool) -> str:
    spec = make_spec({"provider": provider, "stream": stream, **_REFERENCE})
    return ast.dump(_without_docstring(ast.parse(_render(spec, _REFERENCE_CLASS, "agent.py"))))


def _check_shape(source: str, spec: AgentSpec, class_name: str) -> None:
    """Prove that the values changed the four constants and nothing else.

    Raises:
        TemplateError: they did; never write such a file.

    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise TemplateError(f"the rendered file is not Python: {error}") from error
    seen = _ValuesToReference(spec, class_name).visit(_without_docstring(tree))
    if ast.dump(seen) != _reference_shape(spec.provider, spec.stream):
        raise TemplateError("the rendered file does not have the shape of its template")


class AgentBuilder:
    """Builds agent files. Holds no state; one instance serves any number of threads."""

    def build_agent(
        self,
        agent_name: str,
        prompt: str,
        example_task: str,
        model: str | None = None,
        provider: str = "anthropic",
        stream: bool = False,
    ) -> str:
        """Return the source of an agent file.

        `model` is any id the provider knows, by default the provider's default model; it is the
        caller's to check it against the catalog (`catalog.require_allowed`).

        Raises:
            SpecError: a value can't be used; names the field and says why.

        """
        if provider not in PROVIDERS:
            raise SpecError("provider", f"{provider!r} is none of {', '.join(PROVIDERS)}")
        values = {"name": agent_name, "prompt": prompt, "task": example_task}
        chosen = PROVIDERS[ProviderEnum(provider)]
        values |= {"model": chosen.default_model if model is None else model}
        return self.build(make_spec(values | {"provider": chosen.id, "stream": stream}))

    def build(self, spec: AgentSpec) -> str:
        """Return the source of the agent file that `spec` describes: same spec, same bytes.

        Raises:
            TemplateError: a template is broken (a bug); no file is better than a wrong one.

        """
        class_name = class_name_for(spec.name)
        source = _render(spec, class_name, filename_for(spec.name))
        _check_shape(source, spec, class_name)
        return source
