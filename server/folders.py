"""The tiers `landlock` and `limits`: a run in a folder of the host, forked from the warm parent."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from typing import Any

from llm_agent_builder.errors import MachineryError
from server import confine
from server.cell_root import TEMPORARY_NAME
from server.cells import end_fork_server, start_fork_server
from server.channel import channel, send
from server.confine import Limits
from server.engine import Helper, Order, Place
from server.kept_place import KeptPlace
from server.listening import listen_without_delay
from server.run_environment import BASE_ENVIRONMENT
from server.scratch import make_scratch, remove_tree


class FolderEngine:
    """Has the fork server fork a keeper for each run."""

    def __init__(self, *, preload: tuple[str, ...]) -> None:
        """`preload` names SDK modules."""
        self._preload = preload
        self._lock = threading.Lock()
        self._fork_server: Helper | None = None

    def start(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._ensure_fork_server()

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._drop_fork_server()

    async def place(self, limits: Limits) -> Place:
        """See `Engine`."""
        for _ in range(2):
            ours, theirs = channel()
            with theirs, self._lock:
                try:
                    fork_server = self._ensure_fork_server()
                    send(fork_server.channel, {"keeper": ["control"]}, [theirs.fileno()])
                except OSError:  # it has been killed
                    ours.close()
                    self._drop_fork_server()
                    continue
                except MachineryError:
                    ours.close()
                    raise
            try:
                scratch = make_scratch()
                os.mkdir(os.path.join(scratch, TEMPORARY_NAME), 0o700)
                return _FolderPlace(ours, scratch)
            except OSError as error:
                ours.close()
                raise MachineryError(f"can't make a folder for the run: {error}") from error
        raise MachineryError("the fork server can't be reached")

    def _ensure_fork_server(self) -> Helper:
        if self._fork_server is None or not self._fork_server.alive:
            self._drop_fork_server()
            self._fork_server = start_fork_server(self._preload, BASE_ENVIRONMENT)
        return self._fork_server

    def _drop_fork_server(self) -> None:
        if self._fork_server is not None:
            end_fork_server(self._fork_server)
            self._fork_server = None


class _FolderPlace(KeptPlace):
    """A scratch folder, and a port of the host's loopback."""

    def __init__(self, control: socket.socket, scratch: str) -> None:
        super().__init__(control)
        self.scratch = scratch
        self.folder = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._port: int | None = None

    def listener(self) -> socket.socket:
        """See `Place`."""
        try:
            listener = listen_without_delay("127.0.0.1", 0)
        except OSError as error:
            raise MachineryError(f"can't open a port for the gateway: {error.strerror}") from error
        self._port = listener.getsockname()[1]
        return listener

    def job(self, order: Order) -> dict[str, Any]:
        """See `KeptPlace`."""
        rules = {
            "readable": [*confine.readable_paths(), *confine.READ_ONLY_DEVICES],
            "writable": [self.scratch],
            "devices": list(confine.READ_WRITE_DEVICES),
            "port": self._port,
        }
        return order.job(
            scratch=self.scratch, uid=None, filter="shared", rules=rules, port=self._port
        )

    def order(self, limits: Limits) -> dict[str, Any]:
        """See `KeptPlace`."""
        return {"scratch": self.scratch, "mounted": False}

    async def release(self) -> None:
        """See `Place`."""
        await super().release()
        await asyncio.to_thread(remove_tree, self.scratch)
