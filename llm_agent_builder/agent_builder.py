"""AgentBuilder: from an AgentSpec to the source of one readable Python file."""

from __future__ import annotations

from llm_agent_builder.errors import SpecError
from llm_agent_builder.providers import DEFAULT_PROVIDER, PROVIDERS, ProviderEnum
from llm_agent_builder.python_source.names import class_name_for, filename_for
from llm_agent_builder.rendering.features import features_of
from llm_agent_builder.rendering.render import RenderedCode, render
from llm_agent_builder.rendering.verify import RenderedFile, verify
from llm_agent_builder.spec.agent_spec import AgentSpec, make_spec
from llm_agent_builder.user_code.answer_code import AnswerCode
from llm_agent_builder.user_code.tool_code import ToolCode

__all__ = ["AgentBuilder", "class_name_for", "file_code", "filename_for"]


def file_code(spec: AgentSpec) -> tuple[RenderedCode, frozenset[str]]:
    """Return a spec's code for its file, and the names that the code defines."""
    tools, answer = spec.tool_codes, spec.answer_code
    parts: list[AnswerCode | ToolCode] = [*([answer] if answer else []), *tools]
    code = RenderedCode(
        imports=tuple(each.imports for each in parts),
        bodies=tuple(each.body for each in parts),
        tools=tuple(each.name for each in tools),
        answer=answer.class_name if answer else "",
    )
    return code, frozenset(name.name for each in parts for name in each.names)


class AgentBuilder:
    """Builds agent files. It has no state, so threads can share one instance."""

    def build_agent(
        self,
        agent_name: str,
        prompt: str,
        example_task: str,
        model: str | None = None,
        provider: str = DEFAULT_PROVIDER.value,
        stream: bool = False,
    ) -> str:
        """Return the source of an agent file.

        `model` is any model id of the provider, by default the provider's default model. The caller
        should check it against the catalog (`catalog.require_allowed`).

        Raises:
            SpecError: a value can't be used; names the field and says why.

        """
        if provider not in PROVIDERS:
            raise SpecError("provider", f"{provider!r} is not one of {', '.join(PROVIDERS)}")
        values = {"name": agent_name, "prompt": prompt, "task": example_task}
        chosen = PROVIDERS[ProviderEnum(provider)]
        values |= {"model": chosen.default_model if model is None else model}
        return self.build(make_spec(values | {"provider": chosen.id, "stream": stream}))

    def build(self, spec: AgentSpec) -> str:
        """Return the source of the agent file that `spec` describes: same spec, same bytes.

        Raises:
            TemplateError: a template is broken (a bug), and no file is returned.

        """
        code, taken = file_code(spec)
        features = features_of(spec)
        class_name, filename = class_name_for(spec.name, taken), filename_for(spec.name)
        source = render(spec, features, code, class_name, filename)
        verify(RenderedFile(source, spec, features, code, class_name, filename))
        return source
