"""Hostile programs against the kernel's interfaces, on every tier."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.sandbox import Sandbox, run_in_sandbox
from tests.attacking import attack, attempt_outside, holds


def test_calls_that_no_agent_has_business_with_are_refused(tiered: Sandbox) -> None:
    assert attack(tiered, "reach_kernel") == ""


def test_calling_program_is_answered_outside(tmp_path: Path) -> None:
    shown = attempt_outside(tmp_path, "reach_kernel").splitlines()
    assert {"mount", "keyctl", "process_vm_readv", "io_uring_enter", "clone3"} & set(shown)
    assert len(shown) > 15


def test_attributes_of_a_file_that_can_be_read_can_not_be_changed(tiered: Sandbox) -> None:
    code = (
        "import errno, fcntl, struct\n"
        "file = open('agent.py')\n"
        "for request in (0x40086602, 0x401c5820, 0x40087602, 0x40806685):\n"
        "    try: fcntl.ioctl(file, request, bytes(128))\n"
        "    except OSError as error: print(errno.errorcode[error.errno])\n"
        "    else: print('changed')\n"
    )
    assert run_in_sandbox(code, "", sandbox=tiered) == "EPERM\n" * 4


def test_calls_by_the_tables_of_other_architectures_are_refused(tiered: Sandbox) -> None:
    assert attack(tiered, "foreign_abi") == ""


def test_program_with_foreign_tables_is_answered_outside_where_the_kernel_has_them(
    tmp_path: Path,
) -> None:
    shown = attempt_outside(tmp_path, "foreign_abi")
    if not shown:
        pytest.skip("this kernel has no table of another architecture")
    assert set(shown.splitlines()) <= {"i386 answers", "x32 answers"}


def test_sockets_other_than_tcp_can_not_be_made(tiered: Sandbox) -> None:
    made = attack(tiered, "make_sockets").splitlines()
    # In a cell of its own a run may speak to itself: multiprocessing does.
    private = holds(tiered.report, "private network")
    assert all(private and line.startswith("made AF_UNIX ") for line in made)


def test_socket_making_program_does_make_them_outside(tmp_path: Path) -> None:
    shown = attempt_outside(tmp_path, "make_sockets")
    assert "made AF_INET SOCK_DGRAM" in shown
    assert "made AF_NETLINK SOCK_RAW" in shown
