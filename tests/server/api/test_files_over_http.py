"""Input and output files of runs over HTTP."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.isolation.files import MAX_BYTES, MAX_FILES
from tests.support.api_client import events_of, execute, fields
from tests.support.serving import ServerFactory, wait_until

WRITE = (
    "import os\n"
    "print(open('data/in.txt').read(), os.path.getsize('raw.bin'))\n"
    "open('data/in.txt', 'a').write('!')\n"
    "os.mkdir('out')\n"
    "open('out/täglich 1.csv', 'w').write('a,b\\n')\n"
    "open('out/raw.bin', 'wb').write(b'\\0\\xff')\n"
    "os.symlink('/etc/passwd', 'link')\n"
)
GIVEN = [
    {"name": "data/in.txt", "text": "grüße"},
    {"name": "raw.bin", "base64": base64.b64encode(bytes(3)).decode()},
]
LEFT_OUT = [{"reason": "links and special files", "count": 1}]


def test_execute_accepts_files_and_returns_written_ones(client: httpx.Client) -> None:
    result = execute(client, WRITE, files=GIVEN)
    assert result["output"] == "grüße 3\n"
    assert result["files"] == [
        {"name": "data/in.txt", "size": 8, "text": "grüße!"},
        {"name": "out/raw.bin", "size": 2, "base64": "AP8="},
        {"name": "out/täglich 1.csv", "size": 4, "text": "a,b\n"},
    ]
    assert result["files_left_out"] == LEFT_OUT


def test_run_without_files_returns_none(client: httpx.Client) -> None:
    result = execute(client, "print(1)")
    assert (result["files"], result["files_left_out"]) == ([], [])


def test_exit_event_and_listing_name_the_files_and_their_sizes(client: httpx.Client) -> None:
    body = {"code": WRITE, "task": "x", "files": GIVEN}
    run_id = client.post("/api/runs", json=body).json()["id"]
    events = events_of(client.get(f"/api/runs/{run_id}/events").text)
    _, kind, data = events[-1]
    assert kind == "exit"
    names = ["data/in.txt", "out/raw.bin", "out/täglich 1.csv"]
    assert [file["name"] for file in data["files"]] == names
    assert all(set(file) == {"name", "size"} for file in data["files"])
    assert data["files_left_out"] == LEFT_OUT
    # At once, when the run may not be in the database yet, and when it is.
    run = client.get(f"/api/runs/{run_id}").json()
    assert [(file["name"], file["kept"]) for file in run["files"]] == [(n, True) for n in names]
    assert run["files_left_out"] == LEFT_OUT
    assert "files" not in client.get("/api/runs").json()["runs"][0]


def test_file_is_downloaded_and_never_shown(client: httpx.Client) -> None:
    code = "open('page é.html', 'w').write('<script>alert(1)</script>')"
    run_id = execute(client, code)["run_id"]
    answer = client.get(f"/api/runs/{run_id}/files/page%20%C3%A9.html")
    assert answer.text == "<script>alert(1)</script>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    disposition = "attachment; filename*=UTF-8''page%20%C3%A9.html"
    assert answer.headers["Content-Disposition"] == disposition
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_returned_name_can_be_downloaded(client: httpx.Client) -> None:
    code = (
        "import os\n"
        "os.makedirs('a b/c#d')\n"
        "for n, name in enumerate(\n"
        "    ['x?y=1', '100%', '%2e%2e', 'a b/c#d/e&f', \"it's\", '\"', 'a;b']):\n"
        "    open(name, 'w').write(str(n))\n"
        "open('bad\\n\\x1b[2J', 'w').write('control')\n"
    )
    result = execute(client, code)
    assert len(result["files"]) == 8
    for file in result["files"]:
        raw = "".join(f"%{byte:02x}" if byte != 0x2F else "/" for byte in file["name"].encode())
        answer = client.get(f"/api/runs/{result['run_id']}/files/{raw}")
        assert (answer.status_code, answer.text) == (200, file["text"]), file["name"]


@pytest.mark.parametrize(
    "name", ["nope", "agent.py", "%2e%2e/agent.py", "..%2f..%2f..%2fetc/passwd", "/etc/passwd"]
)
def test_unknown_file_is_404(client: httpx.Client, name: str) -> None:
    run_id = execute(client, "open('x', 'w')")["run_id"]
    answer = client.get(f"/api/runs/{run_id}/files/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")


def test_file_of_an_unknown_run_is_404(client: httpx.Client) -> None:
    answer = client.get("/api/runs/nope/files/x")
    assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


def test_files_survive_a_restart(serve: ServerFactory, tmp_path: Path) -> None:
    first = serve(folder=tmp_path)
    with first.client() as client:
        run_id = execute(client, "open('kept.txt', 'w').write('kept')")["run_id"]
        wait_until(lambda: client.get(f"/api/runs/{run_id}").json()["status"] == "success")
    first.stop()
    with serve(folder=tmp_path).client() as client:
        assert client.get(f"/api/runs/{run_id}/files/kept.txt").text == "kept"


def test_files_need_the_token_as_all_else(serve: ServerFactory) -> None:
    server = serve("--token", "the-token-of-this-test")
    with server.client() as client:
        answer = client.get("/api/runs/x/files/y")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_required")


def test_stopped_run_returns_its_files(client: httpx.Client) -> None:
    code = "open('half.txt', 'w').write('half')\nwhile True: print('x' * 9000)"
    result = execute(client, code, limits={"output_kib": 1})
    assert (result["status"], result["reason"]) == ("limit", "output")
    assert [file["name"] for file in result["files"]] == ["half.txt"]


@pytest.mark.parametrize(
    ("files", "field", "problem"),
    [
        ([{"name": "/x", "text": ""}], "files.0.name", "absolute"),
        ([{"name": "a/../../x", "text": ""}], "files.0.name", "'..'"),
        (
            [{"name": "ok", "text": ""}, {"name": "agent.py", "text": ""}],
            "files.1.name",
            "the program's own name",
        ),
        ([{"name": "agent.py/x", "text": ""}], "files.0.name", "the program's own name"),
        ([{"name": "tmp", "text": ""}], "files.0.name", "temporary files: tmp"),
        ([{"name": "tmp/x/y", "base64": ""}], "files.0.name", "temporary files: tmp"),
        ([{"name": "./tmp", "text": ""}], "files.0.name", "'.'"),
        ([{"name": "tmp/", "text": ""}], "files.0.name", "empty part"),
        ([{"name": "a\0", "text": ""}], "files.0.name", "invisible character"),
        ([{"name": "ä" * 128, "text": ""}], "files.0.name", "255 bytes"),
        ([{"name": "a/" * 99 + "b", "text": ""}], "files.0.name", "folders deep"),
        ([{"name": "a\nb", "text": ""}], "files.0.name", "invisible character"),
        ([{"name": "\ud800", "text": ""}], "files.0.name", "invisible character"),
        ([{"name": 1, "text": ""}], "files.0.name", "text"),
        ([{"name": "x"}], "files.0", "either"),
        ([{"name": "x", "text": "", "base64": ""}], "files.0", "either"),
        ([{"name": "x", "text": "\ud800"}], "files.0.text", "surrogates"),
        ([{"name": "x", "text": 1}], "files.0.text", "text"),
        ([{"name": "x", "base64": "@@@"}], "files.0.base64", "not base64"),
        ([{"name": "x", "base64": "AAA"}], "files.0.base64", "not base64"),
        ([{"name": "x", "text": "", "mode": 1}], "files.0.mode", "unknown field"),
        ([{"name": "x", "text": ""}] * 2, "files", "twice"),
        ([{"name": "x", "text": ""}, {"name": "x/y", "text": ""}], "files", "twice"),
        ([{"name": f"{n}", "text": ""} for n in range(MAX_FILES + 1)], "files", "at most 64"),
        ([{"name": "x", "text": "x" * (MAX_BYTES + 1)}], "files", "4,194,304"),
        ({"x": "y"}, "files", "list"),
    ],
)
def test_files_that_can_not_be_given_are_refused_with_the_field(
    client: httpx.Client, files: Any, field: str, problem: str
) -> None:
    body = json.dumps({"code": "print(1)", "task": "x", "files": files})
    for path in ("/api/execute", "/api/runs"):
        headers = {"Content-Type": "application/json"}
        found = fields(client.post(path, content=body, headers=headers))
        assert problem in found[field], found


def test_files_that_fill_the_scratch_are_refused(client: httpx.Client) -> None:
    files = [{"name": "x", "text": "x" * (1 << 20) + "x"}]
    body = {"code": "print(1)", "task": "x", "limits": {"scratch_mib": 1}, "files": files}
    assert "1 MiB of scratch" in fields(client.post("/api/execute", json=body))["files"]


@pytest.mark.parametrize(
    "files",
    [
        [{"name": "x", "text": "x" * (1 << 20)}],
        [{"name": f"{n}", "text": "x" * 16_000} for n in range(64)],
        [{"name": f"{n}/" * 16 + "x", "text": ""} for n in range(20)],
    ],
)
def test_files_that_fill_the_scratch_space_are_refused_before_the_start(
    client: httpx.Client, files: list[dict[str, str]]
) -> None:
    body = {"code": "print(1)" + "#" * 100, "task": "x", "limits": {"scratch_mib": 1}}
    found = fields(client.post("/api/execute", json={**body, "files": files}))
    assert "1 MiB of scratch" in found["files"]


@pytest.mark.parametrize("name", ["TMP", "tmp.txt", "a/tmp", "data/tmp/x", "Tmp/x"])
def test_other_names_with_tmp_in_them_can_be_given(client: httpx.Client, name: str) -> None:
    code = f"print(open({name!r}).read())"
    result = execute(client, code, files=[{"name": name, "text": "given"}])
    assert result["stdout"] == "given\n"


def test_names_that_look_the_same_are_two_files(client: httpx.Client) -> None:
    composed, combined = "caf\u00e9", "cafe\u0301"
    files = [{"name": composed, "text": "1"}, {"name": combined, "text": "2"}]
    code = f"print(open({composed!r}).read() + open({combined!r}).read())"
    assert execute(client, code, files=files)["stdout"] == "12\n"


def test_most_files_that_may_be_given_are_taken_and_returned(client: httpx.Client) -> None:
    each = MAX_BYTES // MAX_FILES
    files = [
        {"name": f"f{n:02}", "base64": base64.b64encode(bytes([n]) * each).decode()}
        for n in range(MAX_FILES)
    ]
    code = "import os\nfor n in range(64): os.rename(f'f{n:02}', f'g{n:02}')\n" + "#" * 1_000_000
    result = execute(client, code, files=files)
    assert len(result["files"]) == MAX_FILES
    assert sum(file["size"] for file in result["files"]) == MAX_BYTES
    assert result["files_left_out"] == []
