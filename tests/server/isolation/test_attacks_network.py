"""Hostile programs against the network, on every tier."""

from __future__ import annotations

import asyncio
import ctypes
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from server.isolation.events import Program
from server.net.listeners import listen_without_delay
from server.sandbox import Sandbox
from tests.support.attacking import (
    LIMITS,
    all_events,
    attack,
    attempt_outside,
    is_active,
    source,
    text_of,
)

ABSTRACT = "\0attacks-of-"
ADDRESSES = [
    ("192.0.2.1", 443),  # the internet; the address belongs to nobody
    ("10.0.0.1", 80),
    ("192.168.0.1", 53),
    ("169.254.169.254", 80),  # cloud metadata
    ("2001:db8::1", 443),
]


@contextmanager
def listeners(folder: Path) -> Iterator[dict[str, list[str] | list[int]]]:
    """Listen on a named and an abstract stream and a datagram socket; make a shared segment."""
    libc = ctypes.CDLL(None)
    segment = libc.shmget(0, 4096, 0o1666)  # IPC_CREAT
    streams = [str(folder / "stream"), f"{ABSTRACT}{folder.name}"]
    datagrams = [str(folder / "datagram"), f"{ABSTRACT}{folder.name}-d"]
    try:
        with (
            closing(socket.socket(socket.AF_UNIX)) as named,
            closing(socket.socket(socket.AF_UNIX)) as abstract,
            closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as first,
            closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as second,
        ):
            for one, address in zip(
                (named, abstract, first, second), streams + datagrams, strict=True
            ):
                one.bind(address)
            named.listen()
            abstract.listen()
            folder.chmod(0o755)
            for path in (streams[0], datagrams[0]):
                Path(path).chmod(0o777)
            yield {"streams": streams, "datagrams": datagrams, "segments": [segment]}
    finally:
        libc.shmctl(segment, 0, None)  # IPC_RMID


def assert_nobody_came(listener: socket.socket) -> None:
    listener.settimeout(0.1)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_ports_of_this_machine_can_not_be_reached(tiered: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", port))
            datagrams.settimeout(0.1)
            shown = attack(tiered, "reach_port", {"port": port})
            assert "reached" not in shown
            with pytest.raises(TimeoutError):
                datagrams.recv(10)
        assert_nobody_came(listener)
    assert shown == ""


def test_reaching_program_does_reach_a_port_outside(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        shown = attempt_outside(tmp_path, "reach_port", {"port": listener.getsockname()[1]})
    assert "reached 127.0.0.1" in shown
    assert "sent a datagram 127.0.0.1" in shown


async def reach_with_a_way_out(sandbox: Sandbox, elsewhere: str) -> tuple[str, bool]:
    """Run the program with a network; return its output, and whether it reached `elsewhere`.

    There the same port number listens as its way out has.
    """
    opened: list[socket.socket] = []

    async def way_out(listener: socket.socket) -> dict[str, str]:
        port = listener.getsockname()[1]
        opened.extend([listener, listen_without_delay(elsewhere, port)])
        return {"PORT": str(port)}

    program = Program(source("reach_port"), "{}", LIMITS, way_out)
    text = text_of(await all_events(sandbox, program))
    opened[1].setblocking(False)
    try:
        opened[1].accept()[0].close()
        came = True
    except BlockingIOError:
        came = False
    for listener in opened:
        listener.close()
    return text, came


def test_way_out_is_reached_and_the_same_port_elsewhere_is_not(tiered: Sandbox) -> None:
    text, came = asyncio.run(reach_with_a_way_out(tiered, "127.1.2.3"))
    assert "reached 127.0.0.1\n" in text
    # Landlock checks ports, not addresses: then the layer must be reported as inactive.
    assert came is not is_active(tiered.report, "private network")


def test_unix_sockets_and_memory_of_others_can_not_be_reached(
    tiered: Sandbox, tmp_path: Path
) -> None:
    with listeners(tmp_path) as job:
        assert attack(tiered, "reach_unix", job) == ""


def test_reaching_program_does_reach_unix_sockets_outside(tmp_path: Path) -> None:
    with listeners(tmp_path) as job:
        shown = attempt_outside(tmp_path, "reach_unix", job)
    for address in (*job["streams"], *job["datagrams"]):
        assert str(address).lstrip("\0") in shown
    assert "attached a segment" in shown
    assert "sees a socket" in shown


def test_addresses_and_names_beyond_this_machine_can_not_be_reached(tiered: Sandbox) -> None:
    job = {"addresses": ADDRESSES, "names": ["example.com", "metadata.google.internal"]}
    assert attack(tiered, "reach_addresses", job) == ""


def test_addressing_program_does_reach_what_it_may(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        job = {"addresses": [listener.getsockname()], "names": ["localhost"]}
        shown = attempt_outside(tmp_path, "reach_addresses", job)
    for what in ("TCP 127.0.0.1", "UDP sent to 127.0.0.1", "resolved localhost"):
        assert what in shown
