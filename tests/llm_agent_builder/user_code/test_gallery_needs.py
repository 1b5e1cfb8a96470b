"""The needs of gallery tools, read from the file as the user edited it."""

from __future__ import annotations

import time

import pytest

from llm_agent_builder.gallery import gallery_tool
from llm_agent_builder.user_code.gallery_needs import Need, missing_of, needs_of

FETCHING = "import os\n\n" + gallery_tool("fetch_url").code
HOSTS = '("example.com", "www.example.com")'


def test_a_file_without_gallery_tools_needs_nothing() -> None:
    assert needs_of("print('FETCH_HOSTS')\n") == ()
    assert needs_of(f"import os\n{gallery_tool('calculator').code}") == ()
    assert needs_of('FETCH_HOSTS = ("example.com",)\n') == ()


@pytest.mark.parametrize(
    ("hosts", "places"),
    [
        (HOSTS, ("example.com:443", "www.example.com:443")),
        ("('a.example:8443',)", ("a.example:8443",)),
        ('frozenset({"a.example"})', ("a.example:443",)),
        ('[\n    "a.example",  # ours\n    "b.example",\n]', ("a.example:443", "b.example:443")),
        ("()", ()),
    ],
)
def test_edited_hosts_are_read(hosts: str, places: tuple[str, ...]) -> None:
    edited = FETCHING.replace(HOSTS, hosts)
    assert needs_of(edited) == (Need("fetch_url", "hosts", places),)


def test_available_files_and_hosts_are_not_missing() -> None:
    files = "\n\n".join(gallery_tool(id_).code for id_ in ("read_file", "query_sqlite"))
    needs = needs_of(f"import os\n\n{files}\n\n{FETCHING}")
    assert [need.tool for need in needs] == ["fetch_url", "query_sqlite", "read_file"]
    assert missing_of(needs, files=["data.sqlite3"], hosts=needs[0].names) == ()
    left = missing_of(needs, files=["a.txt"], hosts=["example.com:443"])
    assert [(need.tool, need.names) for need in left] == [
        ("fetch_url", ("www.example.com:443",)),
        ("query_sqlite", ("data.sqlite3",)),
    ]
    assert len(missing_of(needs, files=[], hosts=[])) == 3


def test_hostile_files_are_read_quickly() -> None:
    begun = time.process_time()
    for piece in ("FETCH_HOSTS", "FETCH_HOSTS = ", "FETCH_HOSTS = (", '"', '\nFETCH_HOSTS=("a"'):
        needs_of((piece * (2**20 // len(piece))) + "\ndef fetch_url(")
    assert time.process_time() - begun < 3
