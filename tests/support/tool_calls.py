"""A scripted model that calls one tool and then repeats the tool's result."""

from __future__ import annotations

import json
from typing import Any

from tests.support.upstream import Answer, Received, message

TOOL_RESULT = "the tool says: "
_JSON = {"Content-Type": "application/json"}


def wants(tool: str, **arguments: str) -> str:
    """Return a task that makes the scripted model call a tool."""
    return json.dumps({"tool": tool, "arguments": arguments})


def obey(request: Received) -> Answer:
    """Answer in either provider's protocol: call the task's tool, then repeat its result."""
    body = json.loads(request.body)
    answer = _messages if request.path.startswith("/v1/messages") else _completions
    task = next(each["content"] for each in body["messages"] if each["role"] == "user")
    wanted = json.loads(task)
    response = answer(body, wanted["tool"], wanted["arguments"])
    return Answer(headers=_JSON, body=json.dumps(response).encode())


def _messages(body: dict[str, Any], tool: str, arguments: dict[str, str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(message("", "tool_use"))
    last = body["messages"][-1]["content"]
    results = [part for part in last if isinstance(part, dict) and part["type"] == "tool_result"]
    if not results:
        assert tool in [each["name"] for each in body["tools"]]
        call = {"type": "tool_use", "id": "call_1", "name": tool, "input": arguments}
        return answer | {"content": [call]}
    result = results[0]["content"]
    text = result if isinstance(result, str) else "".join(part["text"] for part in result)
    content = [{"type": "text", "text": TOOL_RESULT + text}]
    return answer | {"content": content, "stop_reason": "end_turn"}


def _completions(body: dict[str, Any], tool: str, arguments: dict[str, str]) -> dict[str, Any]:
    last = body["messages"][-1]
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    if last["role"] == "tool":
        choice["message"] = {"role": "assistant", "content": TOOL_RESULT + last["content"]}
    else:
        assert tool in [each["function"]["name"] for each in body["tools"]]
        function = {"name": tool, "arguments": json.dumps(arguments)}
        call = {"id": "call_1", "type": "function", "function": function}
        choice["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice["finish_reason"] = "tool_calls"
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": "scripted"}
    return whole | {"system_fingerprint": "", "choices": [choice], "usage": usage}
