"""Settings of an agent of the Agents SDK, and of the call that starts it."""

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
    "temperature": "agents here leave sampling to the model",
    "top_p": "agents here leave sampling to the model",
    "frequency_penalty": "agents here leave sampling to the model",
    "presence_penalty": "agents here leave sampling to the model",
    "tool_choice": "the model itself decides when to call tools",
    "parallel_tool_calls": "the model itself decides how many tools it calls at once",
    "truncation": "a task that is too long fails and says so",
    "store": "nothing is stored at the provider",
    "metadata": "calls carry no metadata",
    "include_usage": "turn on usage to print the tokens",
    "verbosity": "say in the prompt how long answers should be",
}
_RUN_UNUSED: Mapping[str, str] = {
    "session": "use chat for a conversation; it is kept in memory",
    "context": "tools here get all they need as parameters",
    "hooks": "no hooks here: the file is yours, add what you need",
    "run_config": "tracing and the like belong to that SDK",
}


def carry_settings(program: Program, value: ast.expr, spec: dict[str, Any], report: Report) -> None:
    """Carry an agent's `model_settings`."""
    made = program.value_of(value)
    if not isinstance(made, ast.Call):
        report.add(value, "model_settings", carried=False, note="are made when the program runs")
        return
    for each in made.keywords:
        if each.arg == "max_tokens":
            _carry_number(each.value, "max_tokens", spec, report)
        elif each.arg == "reasoning":
            _carry_reasoning(each.value, spec, report)
        elif each.arg is not None:
            note = _UNUSED.get(each.arg, "has no counterpart here")
            report.add(each.value, each.arg, carried=False, note=note)


def _carry_number(value: ast.expr, name: str, spec: dict[str, Any], report: Report) -> None:
    number = _literal(value)
    fits = isinstance(number, int) and not isinstance(number, bool) and number > 0
    if fits:
        spec[name] = number
    report.add(value, name, carried=fits, note="" if fits else "only a run tells it; set it")


def _carry_reasoning(value: ast.expr, spec: dict[str, Any], report: Report) -> None:
    keywords = value.keywords if isinstance(value, ast.Call) else []
    effort = next((_literal(each.value) for each in keywords if each.arg == "effort"), None)
    if "effort" not in PROVIDERS[ProviderEnum(spec["provider"])].choices:
        note = "this provider has no such choice"
    elif effort not in get_args(Effort):
        note = f"there is no effort {effort!r} here; choose one of {', '.join(get_args(Effort))}"
    else:
        spec["effort"] = effort
        report.add(value, "reasoning", carried=True, note="its effort, without a summary")
        return
    report.add(value, "reasoning", carried=False, note=note)


def carry_run(run: RunCall, spec: dict[str, Any], report: Report) -> None:
    """Carry what the call that starts an agent says: the task, streaming, turns."""
    if run.kind == "run_demo_loop":
        spec["chat"] = True
        report.add(run.call, "run_demo_loop", carried=True, note="as --chat")
    if run.kind == "run_streamed":
        spec["stream"] = "answer" not in spec
        note = "" if spec["stream"] else "an answer with a type is shown when it is whole"
        report.add(run.call, "run_streamed", carried=spec["stream"], note=note)
    for name, value in run.arguments.items():
        _carry_argument(name, value, spec, report)


def _carry_argument(name: str, value: ast.expr, spec: dict[str, Any], report: Report) -> None:
    if name == "input":
        task = _literal(value)
        if isinstance(task, str) and task.strip():
            spec.setdefault("task", task)
            report.add(value, "input", carried=True, note="as the example task")
        elif "task" not in spec:
            note = "comes from elsewhere when it runs; write an example task"
            report.add(value, "input", carried=False, note=note)
    elif name == "max_turns":
        if spec.get("tools") or spec.get("mcp_servers"):
            _carry_number(value, "max_turns", spec, report)
        else:
            note = "without tools a task is one call"
            report.add(value, "max_turns", carried=False, note=note)
    elif name in _RUN_UNUSED:
        report.add(value, name, carried=False, note=_RUN_UNUSED[name])


def _literal(value: ast.expr) -> Value:
    try:
        return literal_value(value)
    except NotLiteralError:
        return None
