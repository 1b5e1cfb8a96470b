"""Agent files over HTTP: read, updated with changed fields, or refused."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.llm_agent_builder.support.openai_programs import EXPORTED
from tests.support.api_client import SPEC, fields


def written(client: httpx.Client, **values: Any) -> str:
    code: str = client.post("/api/generate", json={**SPEC, **values}).json()["code"]
    return code


def read(client: httpx.Client, code: str) -> dict[str, Any]:
    answer = client.post("/api/read", json={"code": code})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def test_generated_file_is_read_back_into_its_fields(client: httpx.Client) -> None:
    result = read(client, written(client, stream=True))
    assert {key: result["spec"][key] for key in SPEC} == SPEC
    assert result["spec"]["stream"] is True
    assert (result["exact"], result["edits"], result["warnings"]) == (True, [], [])


def test_text_that_utf_8_does_not_know_is_read_back(client: httpx.Client) -> None:
    body = json.dumps({**SPEC, "prompt": "a\ud800b"})
    headers = {"Content-Type": "application/json"}
    code = client.post("/api/generate", content=body, headers=headers).json()["code"]
    assert read(client, code)["spec"]["prompt"] == "a\ud800b"


def test_manual_edits_are_listed_with_their_lines(client: httpx.Client) -> None:
    code = written(client).replace("\n\nclass Geo", "\n\nLIMIT = 3\n\n\nclass Geo")
    result = read(client, code)
    line = code.split("\n").index("LIMIT = 3") + 1
    edit = {"kind": "added", "first_line": line, "last_line": line, "text": "LIMIT = 3\n"}
    assert result["edits"] == [edit]
    assert result["exact"] is False


def test_changed_fields_leave_hand_written_parts_alone(client: httpx.Client) -> None:
    base = written(client).replace("\n\nclass Geo", "\n\nLIMIT = 3  # mine\n\n\nclass Geo")
    answer = client.post("/api/generate", json={**SPEC, "prompt": "Be brief.", "base": base})
    body = answer.json()
    assert body["code"] == base.replace(SPEC["prompt"], "Be brief.")
    ((kind, first, last),) = [tuple(kept.values()) for kept in body["kept"]]
    assert (kind, first, last) == ("added", first, first)
    assert body["code"].split("\n")[first - 1] == "LIMIT = 3  # mine"


def test_change_of_a_manually_edited_part_is_a_conflict(client: httpx.Client) -> None:
    base = written(client).replace('"You are a helpful assistant."', "open('prompt.txt').read()")
    answer = client.post("/api/generate", json={**SPEC, "base": base})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (409, "conflict")
    (conflict,) = body["conflicts"]
    assert conflict["text"] == "SYSTEM_PROMPT = open('prompt.txt').read()\n"
    assert base.split("\n")[conflict["first_line"] - 1] + "\n" == conflict["text"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print(1)\n", "imports neither anthropic nor huggingface_hub"),
        ("def f(:\n", "is not Python: "),
        ("x = '\ud800'\n", "is not text"),
        ("-" * 60_000 + "1", "nested too deeply"),
        ("a+" * 40_000 + "a", "80,001 characters of code"),
        ('f"' + "{a}" * 30_000 + '"', "90,003 characters of code"),
    ],
    ids=["another program", "not Python", "no text", "deep", "much code", "many fields"],
)
def test_foreign_file_is_reported(client: httpx.Client, code: str, said: str) -> None:
    headers = {"Content-Type": "application/json"}
    for path, body in (("read", {"code": code}), ("generate", {**SPEC, "base": code})):
        answer = client.post(f"/api/{path}", content=json.dumps(body), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "not_ours")
        assert said in answer.json()["detail"]


def test_file_that_is_too_large_is_refused_by_its_field(client: httpx.Client) -> None:
    code = "#" * 1_048_577
    assert "1,048,576" in fields(client.post("/api/read", json={"code": code}))["code"]
    answer = client.post("/api/generate", json={**SPEC, "base": code})
    assert "1,048,576" in fields(answer)["base"]


def read_spec(client: httpx.Client, text: str, filename: str) -> httpx.Response:
    body = json.dumps({"code": text, "filename": filename})
    headers = {"Content-Type": "application/json"}
    return client.post("/api/read", content=body, headers=headers)


@pytest.mark.parametrize("filename", ["a.yaml", "A.YML", "a.json"])
def test_spec_file_is_read_into_its_fields(client: httpx.Client, filename: str) -> None:
    spec = {**SPEC, "prompt": "a\ud800b", "tools": ["def f(): ..."], "max_tokens": 500}
    answer = read_spec(client, "\ufeff" + json.dumps(spec), filename)
    shown = {**spec, "tools": [{"code": "def f(): ..."}]}
    assert (answer.status_code, answer.json()) == (200, {"spec": shown, "ignored": []})


def test_unfinished_spec_is_read_and_what_a_form_can_not_show_is_named(
    client: httpx.Client,
) -> None:
    answer = read_spec(client, "name: A\nmax_tokens: -1\nstream: maybe\npromt: B\n", "a.yaml")
    ignored = [
        {"field": "stream", "problem": "must be true or false"},
        {"field": "promt", "problem": "unknown field; did you mean prompt?"},
    ]
    assert answer.json() == {"spec": {"name": "A", "max_tokens": -1}, "ignored": ignored}


def test_empty_key_of_a_spec_is_named_and_the_rest_is_read(client: httpx.Client) -> None:
    answer = read_spec(client, '{"": 1, "prompt": "P"}', "a.json")
    ignored = [{"field": '""', "problem": "unknown field"}]
    assert (answer.status_code, answer.json()) == (
        200,
        {"spec": {"prompt": "P"}, "ignored": ignored},
    )


@pytest.mark.parametrize(
    ("text", "filename", "said", "line"),
    [
        ("name: A\nname: B", "a.yaml", 'the spec can\'t be read: "name" is given twice', 2),
        ("a: [\nb", "a.yml", "expected ',' or ']', but got '<stream end>'", 2),
        ("a: &a [*a]", "a.yaml", "*a is inside the value that it repeats", 1),
        ("name: A\ntask: 2026-13-45", "a.yaml", "'2026-13-45' is not a valid timestamp", 2),
        ('"\ud800": 1\n"\ud800": 2', "a.json", "it is not JSON", 1),
        (r'{"\ud800": 1, "\ud800": 2}', "a.yaml", "is given twice", 1),
        ('{\n"name": }', "a.json", "it is not JSON: Expecting value", 2),
        ("[" * 200, "a.json", "it has more than 100 lists and objects inside each other", None),
        ("just text", "a.yaml", "it must be a mapping of fields", None),
        ("null", "a.json", "it must be a mapping of fields", None),
        ("\n".join(f"k{n}: 1" for n in range(101)), "a.yaml", "it has 101 keys; at most 100", None),
    ],
)
def test_text_that_is_no_spec_is_refused_with_its_line(
    client: httpx.Client, text: str, filename: str, said: str, line: int | None
) -> None:
    answer = read_spec(client, text, filename)
    assert said in fields(answer)["code"]
    assert answer.json()["detail"][0]["line"] == line


def test_python_file_is_read_as_one_whatever_its_name(client: httpx.Client) -> None:
    code = written(client)
    answer = client.post("/api/read", json={"code": code, "filename": "yaml"})
    assert answer.json() == read(client, code)


def test_schema_of_a_spec_is_published(client: httpx.Client) -> None:
    schema = client.get("/api/spec-schema").json()
    assert set(SPEC) <= set(schema["properties"])
    assert "base" not in schema["properties"]


def test_agent_of_another_sdk_is_imported_with_a_report(client: httpx.Client) -> None:
    answer = client.post("/api/import", json={"code": EXPORTED, "provider": "huggingface"})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["spec"]["name"], body["spec"]["provider"]) == ("City guide", "huggingface")
    assert set(body["report"][0]) == {"line", "what", "carried", "note"}
    assert body["agents"] == ["Sorter", "City guide"]
    other = client.post("/api/import", json={"code": EXPORTED, "agent": "Sorter"}).json()
    assert other["spec"]["prompt"] == "Sort requests."
    refused = client.post("/api/import", json={"code": "print(1)"})
    assert (refused.status_code, refused.json()["code"]) == (422, "not_ours")


def test_unknown_key_names_the_nearest_known_one(client: httpx.Client) -> None:
    tool = {"name": "a", "url": "https://example.com", "evn": []}
    body = {**SPEC, "mcp_servers": [tool], "promt": "x"}
    found = fields(client.post("/api/generate", json=body))
    assert found["mcp_servers.0.evn"] == "unknown field; did you mean env?"
    assert found["promt"] == "unknown field; did you mean prompt?"
