"""Converts the settings of an Agents SDK agent, and of the call that starts it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, get_args

from llm_agent_builder.openai_import.program import Program, RunCall
from llm_agent_builder.openai_import.report import Report
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.reading.literal_values import NotLiteralError, Value, literal_value
from llm_agent_builder.spec.agent_spec import Effort

_UNUSED: Mapping[str, str] = {
    "temperature": "agents here don't set sampling parameters",
    "top_p": "agents here don't set sampling parameters",
    "frequency_penalty": "agents here don't set sampling parameters",
    "presence_penalty": "agents here don't set sampling parameters",
    "tool_choice": "the model itself decides when to call tools",
    "parallel_tool_calls": "the model itself decides how many tools it calls at once",
    "truncation": "a task that is too long fails and says so",
    "store": "nothing is stored at the provider",
    "metadata": "calls carry no metadata",
    "include_usage": "turn on usage to print the tokens",
    "verbosity": "say in the prompt how long answers should be",
}
_RUN_UNUSED: Mapping[str, str] = {
    "session": "use chat for a conversation; it stays in memory",
    "context": "tools here receive everything as parameters",
    "hooks": "no hooks here: add what you need to the file",
    "run_config": "tracing and other run settings belong to the SDK",
}


def convert_settings(
    program: Program, value: ast.expr, spec: dict[str, Any], report: Report
) -> None:
    """Convert an agent's `model_settings`."""
    made = program.value_of(value)
    if not isinstance(made, ast.Call):
        report.add(value, "model_settings", carried=False, note="are only known at run time")
        return
    for each in made.keywords:
        if each.arg == "max_tokens":
            _convert_number(each.value, "max_tokens", spec, report)
        elif each.arg == "reasoning":
            _convert_reasoning(each.value, spec, report)
        elif each.arg is not None:
            note = _UNUSED.get(each.arg, "has no counterpart here")
            report.add(each.value, each.arg, carried=False, note=note)


def _convert_number(value: ast.expr, name: str, spec: dict[str, Any], report: Report) -> None:
    number = _literal(value)
    fits = isinstance(number, int) and not isinstance(number, bool) and number > 0
    if fits:
        spec[name] = number
    report.add(value, name, carried=fits, note="" if fits else "is only known at run time; set it")


def _convert_reasoning(value: ast.expr, spec: dict[str, Any], report: Report) -> None:
    keywords = value.keywords if isinstance(value, ast.Call) else []
    effort = next((_literal(each.value) for each in keywords if each.arg == "effort"), None)
    if "effort" not in PROVIDERS[ProviderEnum(spec["provider"])].choices:
        note = "this provider has no such setting"
    elif effort not in get_args(Effort):
        note = f"there is no effort {effort!r} here; choose one of {', '.join(get_args(Effort))}"
    else:
        spec["effort"] = effort
        report.add(value, "reasoning", carried=True, note="only its effort; there are no summaries")
        return
    report.add(value, "reasoning", carried=False, note=note)


def convert_run(run: RunCall, spec: dict[str, Any], report: Report) -> None:
    """Convert the call that starts an agent: task, streaming, turns."""
    if run.kind == "run_demo_loop":
        spec["chat"] = True
        report.add(run.call, "run_demo_loop", carried=True, note="as --chat")
    if run.kind == "run_streamed":
        spec["stream"] = "answer" not in spec
        note = "" if spec["stream"] else "a typed answer can't be streamed"
        report.add(run.call, "run_streamed", carried=spec["stream"], note=note)
    for name, value in run.arguments.items():
        _convert_argument(name, value, spec, report)


def _convert_argument(name: str, value: ast.expr, spec: dict[str, Any], report: Report) -> None:
    if name == "input":
        task = _literal(value)
        if isinstance(task, str) and task.strip():
            spec.setdefault("task", task)
            report.add(value, "input", carried=True, note="as the example task")
        elif "task" not in spec:
            note = "is only known at run time; write an example task"
            report.add(value, "input", carried=False, note=note)
    elif name == "max_turns":
        if spec.get("tools") or spec.get("mcp_servers"):
            _convert_number(value, "max_turns", spec, report)
        else:
            note = "without tools, a task is a single model call"
            report.add(value, "max_turns", carried=False, note=note)
    elif name in _RUN_UNUSED:
        report.add(value, name, carried=False, note=_RUN_UNUSED[name])


def _literal(value: ast.expr) -> Value:
    try:
        return literal_value(value)
    except NotLiteralError:
        return None
