"""The gallery tools: their answers, and attacks on them."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from llm_agent_builder.errors import SpecError
from llm_agent_builder.gallery import gallery, gallery_tool
from llm_agent_builder.spec.agent_spec import make_spec
from llm_agent_builder.user_code.layout import first_conflict
from llm_agent_builder.user_code.tool_code import parse_tool
from tests.llm_agent_builder.support.calling import call
from tests.llm_agent_builder.support.processes import run_python


def test_every_ready_tool_is_one_as_the_builder_writes_it() -> None:
    codes = [parse_tool(tool.code) for tool in gallery()]
    assert [code.name for code in codes] == [tool.id for tool in gallery()]
    assert [code.source for code in codes] == [tool.code for tool in gallery()]
    assert [tool.needs for tool in gallery()] == [None, None, "files", "hosts", "files"]
    for code in codes:
        assert code.input_schema["properties"]
        assert all(each.get("description") for each in code.input_schema["properties"].values())


def test_all_ready_tools_go_into_one_file() -> None:
    assert first_conflict([parse_tool(tool.code).names for tool in gallery()]) is None


def test_an_unknown_tool_is_refused_with_the_available_ones() -> None:
    with pytest.raises(SpecError, match=r"'abacus'; available: calculator, current_time, "):
        gallery_tool("abacus")


def test_ruff_finds_nothing_in_them(tmp_path: Path) -> None:
    for tool in gallery():
        (tmp_path / f"{tool.id}.py").write_text(tool.code, "utf-8")
    for command in (("check",), ("format", "--diff")):
        done = run_python("-m", "ruff", *command, "--isolated", "--no-cache", ".",
                          home=tmp_path, cwd=tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


SUMS = {
    "2 * (3 + 4) ** 2": "98",
    " 1 + 1 ": "2",
    "0.1 + 0.2": "0.3",
    "-7 // 2": "-4",
    "7 % -2": "-1",
    "+3 - -3": "6",
    "2 ** -1": "0.5",
    "9 ** 0.5": "3",
    "10 ** 99": "1" + "0" * 99,
    "1e30": "1e+30",
    "0 ** 5": "0",
}
NOT_SUMS = {
    "": "SyntaxError",
    "1 / 0": "ZeroDivisionError",
    "0 ** -1": "ZeroDivisionError",
    "9 ** 9 ** 9": "too large",
    "10 ** 10 ** 10": "too large",
    "1e308 * 10": "too large",
    "1e999": "too large",
    "2 ** -99999": "too large or too small",
    "(10 ** 99) * (10 ** 99)": "too large",
    "(-8) ** 0.5": "no real number",
    "__import__('os').system('id')": "not numbers",
    "().__class__.__bases__[0]": "not numbers",
    "[9] * 10 ** 9": "not numbers",
    "'a' * 10 ** 9": "not numbers",
    "(lambda: 3)()": "not numbers",
    "x := 3": "SyntaxError",
    "(x := 3)": "not numbers",
    "1 << 10 ** 10": "not numbers",
    "2 ^ 3": "not numbers",
    "1j": "not numbers",
    "1 if 1 else 2": "not numbers",
    "1; 2": "SyntaxError",
    "\0": "null byte",
    "(" * 99 + ")" * 99: "not numbers",
    "-" * 150 + "x": "not numbers",
    "1 + " * 60: "longer than 200",
}


def test_the_calculator_works_out_sums_and_nothing_else(tmp_path: Path) -> None:
    assert call("calculator", *SUMS, home=tmp_path) == list(SUMS.values())
    answers = call("calculator", *NOT_SUMS, home=tmp_path)
    reported = dict(zip(NOT_SUMS, answers, strict=True))
    assert {
        text: reported[text] for text, says in NOT_SUMS.items() if says not in reported[text]
    } == {}


def test_the_clock_tells_the_time_of_any_zone(tmp_path: Path) -> None:
    utc, berlin, *rest = call(
        "current_time", "UTC", "Europe/Berlin", "Nowhere/Atall", "", "../../etc/passwd", "/etc",
        home=tmp_path,
    )  # fmt: skip
    assert re.fullmatch(r"\w+day, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", utc)
    assert re.fullmatch(r"\w+day, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d CES?T \(UTC\+0[12]00\)", berlin)
    assert [answer for answer in rest if "ask for UTC" not in answer] == []


def _folder(home: Path) -> Path:
    """Return a folder to read from, beside secrets and with ways out of it."""
    folder = home / "given"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "today.txt").write_text("buy milk\n", "utf-8")
    (home / "secret.txt").write_text("SECRET", "utf-8")
    (home / "given-too").mkdir()
    (home / "given-too" / "secret.txt").write_text("SECRET", "utf-8")
    (folder / "out").symlink_to(home)
    (folder / "secret.txt").symlink_to(home / "secret.txt")
    (folder / "inside.txt").symlink_to("notes/today.txt")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    (folder / "large.txt").write_text("x" * 100_001, "utf-8")
    (folder / "marked.txt").write_bytes(b"\xef\xbb\xbf\xffhi")
    (folder / "picture.png").write_bytes(b"\x89PNG\0")
    return folder


WAYS_OUT = [
    "../secret.txt", "notes/../../secret.txt", "out/secret.txt", "secret.txt", "/etc/passwd",
    "../given-too/secret.txt", "out", "..", "/", "~/secret.txt", "pipe", "loop", "/dev/zero",
    "/proc/self/environ", "file:///etc/passwd", "\0", "x" * 5000, "missing.txt", "picture.png",
]  # fmt: skip


def test_files_are_read_and_listed_within_their_folder(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    change = {'READ_FOLDER = "."': f"READ_FOLDER = {str(folder)!r}"}
    today, inside, listed, large, marked, absolute = call(
        "read_file", "notes/today.txt", "inside.txt", ".", "large.txt", "marked.txt",
        str(folder / "notes" / "today.txt"), home=tmp_path, change=change,
    )  # fmt: skip
    assert [today, inside, absolute] == ["buy milk\n"] * 3
    assert listed.splitlines() == sorted(each.name for each in folder.iterdir())
    assert large == "x" * 100_000 + "\n[cut after 100,000 bytes]"
    assert marked == "\ufffdhi"


def test_files_outside_of_the_folder_are_never_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    change = {'READ_FOLDER = "."': f"READ_FOLDER = {str(folder)!r}"}
    answers = call("read_file", *WAYS_OUT, home=tmp_path, change=change)
    reported = dict(zip(WAYS_OUT, answers, strict=True))
    failed = re.compile(r"[A-Za-z]*(Error|Exception): ")
    assert {way: answer for way, answer in reported.items() if not failed.match(answer)} == {}
    assert "outside the folder given" in reported["secret.txt"]
    assert '"." lists what there is' in reported["missing.txt"]
    assert "not a text file" in reported["picture.png"]


def _database(home: Path) -> None:
    with closing(sqlite3.connect(home / "data.sqlite3")) as database:
        database.execute("CREATE TABLE people (name TEXT, age INTEGER, photo BLOB)")
        database.execute("CREATE INDEX by_age ON people (age)")
        rows = [(f"Ada {number}", number, b"\0\xff") for number in range(150)]
        database.executemany("INSERT INTO people VALUES (?, ?, ?)", rows)
        database.execute("INSERT INTO people VALUES (CAST(x'ff41' AS TEXT), NULL, NULL)")
        database.commit()


WRITES = [
    "INSERT INTO people VALUES ('x', 1, NULL)", "DELETE FROM people", "DROP TABLE people",
    "UPDATE people SET age = 0", "CREATE TABLE t (a)", "CREATE TEMP TABLE t (a)", "VACUUM",
    "ATTACH 'other.sqlite3' AS other", "PRAGMA journal_mode = WAL", "PRAGMA writable_schema = 1",
    "PRAGMA hard_heap_limit = 0", "VACUUM INTO 'copy.sqlite3'", "BEGIN", "SAVEPOINT a", "REINDEX",
    "SELECT load_extension('x')", "SELECT writefile('x', 'y')", "SELECT readfile('/etc/passwd')",
    "SELECT 1; DROP TABLE people", "EXPLAIN DELETE FROM people", "ANALYZE", "", "-- nothing",
    "WITH t AS (SELECT 1) DELETE FROM people", "SELECT edit('x')", "no SQL", "\0",
    "CREATE VIRTUAL TABLE t USING fts5(a)", "INSERT INTO people SELECT * FROM people RETURNING 1",
]  # fmt: skip


def test_the_database_answers_questions(tmp_path: Path) -> None:
    _database(tmp_path)
    counted, tables, some, broken, photo = call(
        "query_sqlite",
        "SELECT count(*) AS people FROM people",
        "SELECT sql FROM sqlite_master",
        "SELECT name FROM people",
        "SELECT name, age FROM people WHERE age IS NULL",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) "
        "SELECT i, photo FROM n JOIN people ON age = i",
        home=tmp_path,
    )
    assert counted == '{"columns": ["people"], "rows": [[151]]}'
    assert "CREATE TABLE people" in tables
    assert some.count("Ada") == 100
    assert some.endswith('"note": "only the first 100 rows"}')
    assert broken == '{"columns": ["name", "age"], "rows": [["\ufffdA", null]]}'
    assert '[3, "(2 bytes)"]' in photo


def test_the_database_is_only_ever_read(tmp_path: Path) -> None:
    _database(tmp_path)
    before = (tmp_path / "data.sqlite3").read_bytes()
    reported = dict(zip(WRITES, call("query_sqlite", *WRITES, home=tmp_path), strict=True))
    harmless = {"", "-- nothing"}
    passed = {sql for sql, answer in reported.items() if "Error: " not in answer}
    assert passed <= harmless, reported
    assert (tmp_path / "data.sqlite3").read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["data.sqlite3"]


def test_questions_without_end_are_ended(tmp_path: Path) -> None:
    _database(tmp_path)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
    answers = call(
        "query_sqlite",
        f"{endless} max(i) FROM n",
        "SELECT hex(zeroblob(900000000))",
        "SELECT randomblob(900000000)",
        "SELECT printf('%900000000d', 1)",
        f"{endless} group_concat(i) FROM n",
        "SELECT replace('aaaa', 'a', 'b')",
        home=tmp_path,
        change={"SQLITE_TIMEOUT_S = 5.0": "SQLITE_TIMEOUT_S = 0.3"},
    )
    assert answers[0] == "TimeoutError: longer than 0.3 s"
    assert [answer for answer in answers if "Error" not in answer] == []


def test_an_answer_is_cut_off_at_a_size(tmp_path: Path) -> None:
    _database(tmp_path)
    long = "WITH RECURSIVE n(t) AS (SELECT 'xxxxxxxxxx' UNION ALL SELECT t || t FROM n LIMIT 20) "
    (answer,) = call("query_sqlite", f"{long} SELECT t FROM n", home=tmp_path)
    assert len(answer) < 200_000
    assert answer.endswith('"note": "only the first 14 rows"}')


def test_a_missing_database_is_reported_and_not_created(tmp_path: Path) -> None:
    (answer,) = call("query_sqlite", "SELECT 1", home=tmp_path)
    assert answer == "FileNotFoundError: there is no database data.sqlite3"
    assert list(tmp_path.iterdir()) == []


def test_a_spec_may_name_a_ready_tool_in_place_of_its_source() -> None:
    values = {"name": "A", "prompt": "b", "task": "c", "provider": "anthropic", "model": "m"}
    spec = make_spec(values | {"tools": [{"gallery": "calculator"}]})
    assert spec.tools[0].code == gallery_tool("calculator").code
    with pytest.raises(SpecError, match=r"^tools\.0: there is no gallery tool 'abacus'; available"):
        make_spec(values | {"tools": [{"gallery": "abacus"}]})
