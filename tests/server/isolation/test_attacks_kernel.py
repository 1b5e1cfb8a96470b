"""Hostile programs against the kernel's interfaces, on every tier."""

from __future__ import annotations

import re
import ssl
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from server.isolation.child.seccomp import FILTERS, seccomp_program
from server.isolation.child.seccomp_calls import (
    CHECKED,
    NO_EFFECT,
    NO_EFFECT_ON_FILES,
    NOT_SUPPORTED,
    NOT_THERE,
    REFUSED,
)
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import ATTACKS, attack, attempt_outside, is_active


def test_calls_that_no_agent_has_business_with_are_refused(tiered: Sandbox) -> None:
    assert attack(tiered, "reach_kernel") == ""


def test_calling_program_is_answered_outside(tmp_path: Path) -> None:
    shown = attempt_outside(tmp_path, "reach_kernel").splitlines()
    assert {"mount", "keyctl", "process_vm_readv", "io_uring_enter", "clone3"} & set(shown)
    assert len(shown) > 15


def test_children_are_made_as_fork_and_threads_make_them_or_not_at_all(tiered: Sandbox) -> None:
    assert attack(tiered, "clone_flags") == ""
    assert run_in_sandbox("print('next')", "", sandbox=tiered) == "next\n"


def test_child_making_program_does_make_them_outside() -> None:
    attacking = [sys.executable, str(ATTACKS / "clone_flags.py")]
    program = f"import subprocess; subprocess.run({attacking})"  # whose children the siblings are
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b"made a sibling\n" in done.stdout
    assert b"may reap orphans\n" in done.stdout


def test_read_only_files_can_not_be_leased(tiered: Sandbox) -> None:
    assert attack(tiered, "lease", ssl.__file__) == ""


def test_leasing_program_does_get_leases_outside(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shown = attempt_outside(tmp_path, "lease", str(tmp_path / "file"))
    assert {"write lease", "lease by a long number", "watch of a folder"} < set(shown.splitlines())


def test_files_are_read_through_the_page_cache_and_stay_there(tiered: Sandbox) -> None:
    assert attack(tiered, "disk_reader") == ""


def test_disk_reading_program_does_get_past_the_cache_outside(tmp_path: Path) -> None:
    assert "set O_DIRECT" in attempt_outside(tmp_path, "disk_reader").splitlines()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("name", FILTERS)
def test_filter_is_valid_for_the_kernel(name: str, machine: str) -> None:
    """Its jumps stay inside, and it ends with a return, as seccomp(2) requires."""
    program = [*struct.iter_unpack("=HBBI", seccomp_program(name, machine))]
    assert len(program) <= 4096
    for place, (code, if_true, if_false, _) in enumerate(program):
        if code & 7 == 5:  # BPF_JMP
            assert place + 1 + max(if_true, if_false) < len(program)
    assert program[-1][0] == 6  # BPF_RET


@pytest.mark.parametrize(
    ("column", "header"),
    [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")],
    ids=["x86_64", "aarch64"],
)
def test_numbers_of_calls_are_those_of_the_kernels_headers(column: int, header: str) -> None:
    path = Path("/usr/include", header)
    if not path.exists():
        pytest.skip("no kernel headers here")
    found = re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", path.read_text())
    known = {name: int(number) for name, number in found}
    tables = (CHECKED, NOT_THERE, NO_EFFECT, NO_EFFECT_ON_FILES, NOT_SUPPORTED, REFUSED)
    numbers = {name: row[column] for table in tables for name, row in table.items()}
    rows = [(name, number) for name, number in numbers.items() if name in known]
    assert len(rows) > 100
    assert [(name, number) for name, number in rows if number != known[name]] == []


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


def test_disk_priority_is_the_lowest_and_stays_so(tiered: Sandbox) -> None:
    code = (
        "import ctypes, errno, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "put, ask = {'x86_64': (251, 252), 'aarch64': (30, 31)}[os.uname().machine]\n"
        "who = [(1, 0), (1, os.getpid()), (2, os.getpgid(0)), (3, os.getuid())]\n"
        "for kind, number in who:\n"
        "    for place in (0, 1 << 13, 2 << 13, 2 << 13 | 6, 2 << 13 | 7, 3 << 13):\n"
        "        if libc.syscall(put, kind, number, place) != -1: print('put at', place)\n"
        "        elif ctypes.get_errno() != errno.EPERM: print(ctypes.get_errno())\n"
        "print(libc.syscall(ask, 1, 0) == 2 << 13 | 7)\n"
    )
    assert run_in_sandbox(code, "", sandbox=tiered) == "True\n"


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
    # In a cell, processes of a run may connect to each other: multiprocessing does.
    private = is_active(tiered.report, "private network")
    assert all(private and line.startswith("made AF_UNIX ") for line in made)


def test_socket_making_program_does_make_them_outside(tmp_path: Path) -> None:
    shown = attempt_outside(tmp_path, "make_sockets")
    assert "made AF_INET SOCK_DGRAM" in shown
    assert "made AF_NETLINK SOCK_RAW" in shown
