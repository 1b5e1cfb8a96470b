"""The tier `strong`: each run in a cell of its own namespaces, prepared before it is needed.

The cell maker prepares cells, the fork server forks runs into them; this is the server's side of
both. A run costs one fork of the fork server, and one cell of the store of prepared ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from llm_agent_builder.errors import MachineryError
from server import memory_group
from server.carried_through import carried_through
from server.cell_init import PORT
from server.cell_root import RUN_UID, SCRATCH, paths_to_show
from server.channel import channel, receive, send
from server.confine import Limits, task_cap
from server.engine import (
    PACKAGE_ROOT,
    Ended,
    Given,
    Helper,
    Listening,
    Order,
    Place,
    readable,
    tell_end,
)
from server.run_environment import CELL_ENVIRONMENT

_BOOT_MAKER = (
    f"import sys; sys.path.insert(0, {PACKAGE_ROOT!r}); from server.cell_maker import main; main()"
)
BOOT_FORK_SERVER = (
    f"import sys; fresh = list(sys.modules); sys.path[0] = {PACKAGE_ROOT!r}\n"
    "from server.preload import Preloaded\n"
    "preloaded = Preloaded(fresh)\n"
    "with preloaded.recording():\n"
    "    from server.forkserver import main, serve\n"
    "    main(preloaded)\n"
    "del sys.path[0]\n"
    "serve(preloaded)\n"
)
_READY_S = 10.0


class CellEngine:
    """Keeps prepared cells, and the two processes behind them."""

    def __init__(self, *, preload: tuple[str, ...], ready: int = 4) -> None:
        """`preload` names SDK modules; `ready` cells are kept prepared."""
        self._preload = preload
        self._wanted = ready
        self._lock = threading.Lock()
        self._maker: _Maker | None = None
        self._fork_server: Helper | None = None
        self._prepared: deque[socket.socket] = deque()

    def start(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._ensure_helpers()
            self._replenish()

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._drop_maker()
            self._drop_fork_server()

    async def place(self, limits: Limits) -> Place:
        """See `Engine`."""
        for _ in range(3):
            control = self._take()
            try:
                async with asyncio.timeout(_READY_S):
                    cell = Cell(self, control, await handed_over(control))
            except TimeoutError:
                control.close()
                raise MachineryError("the cell maker makes no cell") from None
            except ConnectionError:  # the maker was killed: the next one gets its turn
                control.close()
                continue
            except BaseException:
                control.close()
                raise
            if await cell.prepare(limits):
                return cell
        raise MachineryError("the cell maker ends again and again")

    def fork(self, passed: dict[str, int]) -> None:
        """Have the fork server fork a run; see there for what is passed.

        Raises:
            MachineryError: there is no fork server to be had.

        """
        for _ in range(2):
            with self._lock:
                fork_server = self._ensure_helpers()
                try:
                    send(fork_server.channel, {"agent": list(passed)}, passed.values())
                except OSError:
                    self._drop_fork_server()  # it has been killed
                else:
                    return
        raise MachineryError("the fork server can't be reached")

    # ------------------------------------------------------------ inside; with the lock held

    def _take(self) -> socket.socket:
        with self._lock:
            self._ensure_helpers()
            if not self._prepared:
                self._replenish()
            control = self._prepared.popleft()
            self._replenish()
            return control

    def _replenish(self) -> None:
        assert self._maker is not None
        while len(self._prepared) < self._wanted:
            self._prepared.append(self._maker.order_cell())

    def _ensure_helpers(self) -> Helper:
        """Start what isn't going; return the fork server.

        A new maker has a user namespace of its own, and needs a fork server that has not entered
        another's.
        """
        if self._maker is None or not self._maker.helper.alive:
            self._drop_maker()
            self._drop_fork_server()
            self._maker = _Maker.start()
        if self._fork_server is None or not self._fork_server.alive:
            self._drop_fork_server()
            self._fork_server = start_fork_server(self._preload, CELL_ENVIRONMENT)
            send(self._fork_server.channel, {"enter": ["user"]}, [self._maker.user])
        return self._fork_server

    def _drop_maker(self) -> None:
        while self._prepared:
            self._prepared.popleft().close()
        if self._maker is not None:
            self._maker.close()
            self._maker = None

    def _drop_fork_server(self) -> None:
        if self._fork_server is not None:
            end_fork_server(self._fork_server)
            self._fork_server = None


class _Maker:
    """The cell maker's process, and its user namespace."""

    def __init__(self, helper: Helper, user: int) -> None:
        self.helper = helper
        self.user = user

    @classmethod
    def start(cls) -> _Maker:
        """Start it and wait until it has its root.

        Raises:
            MachineryError: it failed; says why.

        """
        helper = Helper.spawn(_BOOT_MAKER, options=("-I", "-S"))
        # The folder is only where the maker mounts its root; it has left it when it answers.
        with tempfile.TemporaryDirectory(prefix="agent-cells-") as base:
            try:
                send(helper.channel, {"base": base, "paths": paths_to_show()})
                helper.channel.settimeout(_READY_S)
                message, descriptors = receive(helper.channel)
                helper.channel.settimeout(None)
            except OSError as error:
                message, descriptors = {"failed": f"it does not answer: {error}"}, []
        if message is None or "failed" in message:
            helper.close()
            reason = message["failed"] if message else "it ended"
            raise MachineryError(f"the cell maker failed: {reason}")
        return cls(helper, descriptors[0])

    def order_cell(self) -> socket.socket:
        """Return our end of the channel of a cell that will be ready soon.

        Raises:
            MachineryError: the maker can't be reached.

        """
        ours, theirs = channel()
        with theirs:
            try:
                send(self.helper.channel, {"make": True}, [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise MachineryError(f"the cell maker can't be reached: {error}") from None
        return ours

    def close(self) -> None:
        self.helper.close()
        os.close(self.user)


def start_fork_server(preload: tuple[str, ...], environment: dict[str, str]) -> Helper:
    """Start a fork server; it takes orders at once, and carries them out when it has loaded.

    Raises:
        MachineryError: it could not be started.

    """
    helper = Helper.spawn(BOOT_FORK_SERVER, options=())
    helper.tell({"preload": list(preload), "environment": environment})
    return helper


def end_fork_server(helper: Helper) -> None:
    """End a fork server. One that still loads would notice only seconds later, and is killed."""
    helper.channel.setblocking(False)
    try:
        receive(helper.channel)  # all that it ever says: that it has loaded
    except BlockingIOError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(helper.process.pid, signal.SIGKILL)  # with the child that answers its calls
    except (OSError, ValueError):
        pass  # it has ended
    helper.close()


async def handed_over(control: socket.socket) -> dict[str, int]:
    """Wait for a cell's init to be ready; return what it hands over.

    Raises:
        ConnectionError: it has ended.
        MachineryError: it failed; says why.

    """
    control.setblocking(False)
    while True:
        try:
            message, descriptors = receive(control)
            break
        except BlockingIOError:
            await readable(control.fileno())
    if message is None:
        raise ConnectionError
    if "failed" in message:
        raise MachineryError(f"a cell could not be made: {message['failed']}")
    return dict(zip(message["ready"], descriptors, strict=True))


class Cell:
    """One cell; see `Place`."""

    scratch = SCRATCH
    bounded = True

    def __init__(
        self, engine: CellEngine, control: socket.socket, handed_over: dict[str, int]
    ) -> None:
        self._engine = engine
        self._control_end = control
        self._pidfd = handed_over.pop("pidfd")
        self.folder = handed_over.pop("folder")
        self._listener: int | None = handed_over.pop("listener")
        self._inside = handed_over
        found = os.fstat(self.folder).st_uid
        self.owner = None if found == os.geteuid() else found
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.on_limit: Callable[[str], None] = lambda kind: None
        self._control = Listening(control, self._from_init, self._init_gone)
        self._report: Listening | None = None
        self._given: Given | None = None
        self._started = False
        self._resized: asyncio.Future[None] | None = None
        self._limits = Limits()
        self._group: memory_group.Group | None = None

    def listener(self) -> socket.socket:
        """See `Place`."""
        assert self._listener is not None
        listener, self._listener = socket.socket(fileno=self._listener), None
        return listener

    async def start(self, order: Order, given: Given) -> None:
        """See `Place`."""
        self._given = given
        most = task_cap(order.limits) + (0 if self.owner else 1)  # the init is of the same user
        given.write_job(
            order.job(scratch=SCRATCH, uid=RUN_UID, filter="private", most_tasks=most, port=PORT)
        )
        self._launch()

    async def close(self) -> None:
        """See `Place`."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        await readable(self._pidfd)  # the kernel has ended all that was in the cell
        self._control.close()
        if self._report is not None:
            self._report.close()
        self._leave_inside()
        self.ended.cancel()

    async def release(self) -> None:
        """See `Place`."""
        os.close(self.folder)
        os.close(self._pidfd)
        if self._listener is not None:
            os.close(self._listener)
        if self._group is not None:
            await asyncio.to_thread(self._group.remove)

    async def prepare(self, limits: Limits) -> bool:
        """Tell the init of the run; wait where scratch has to be given another size.

        Returns whether the cell is still there; where it isn't, nothing of it is left.
        """
        try:
            await self._prepare(limits)
        except BaseException as error:
            await carried_through(self._let_go())
            if not isinstance(error, ConnectionError):
                raise
            return False
        return True

    async def _let_go(self) -> None:
        await self.close()
        await self.release()

    async def _prepare(self, limits: Limits) -> None:
        self._limits = limits
        if limits.scratch_mib != Limits().scratch_mib:
            self._resized = asyncio.get_running_loop().create_future()
        send(self._control_end, {"go": asdict(limits)})
        if self._resized is not None:
            await self._resized

    # ------------------------------------------------------------ inside

    def _launch(self) -> None:
        ours, theirs = channel()
        with theirs:
            assert self._given is not None
            passed = {"report": theirs.fileno(), **self._given.named(), **self._inside}
            try:
                self._engine.fork(passed)
            except BaseException:
                ours.close()
                raise
        self._report = Listening(ours, self._from_fork_server, self._fork_server_gone)

    def _leave_inside(self) -> None:
        """Close what the run has by now: the ways into the cell, and its pipes."""
        if self._given is not None:
            self._given.close_pipes()
            self._given = None
        while self._inside:
            os.close(self._inside.popitem()[1])

    def _from_init(self, message: dict[str, Any]) -> None:
        if "resized" in message and self._resized is not None:
            self._resized.set_result(None)
        elif "alive" in message:
            self._make_group()
        elif message.get("ends"):
            tell_end(self.ended, Ended(limit=message["limit"]))
        elif "limit" in message:
            self.on_limit(message["limit"])
        elif "failed" in message:
            tell_end(self.ended, MachineryError(f"the cell failed: {message['failed']}"))

    def _init_gone(self) -> None:
        tell_end(self.ended, MachineryError("the cell was killed"))
        if self._resized is not None and not self._resized.done():
            self._resized.set_exception(ConnectionError("the cell was killed"))

    def _make_group(self) -> None:
        self._group = memory_group.Group.make_for(self._control_end, self._limits.memory_mib)

    def _from_fork_server(self, message: dict[str, Any]) -> None:
        if "started" in message:
            self._started = True
            self._leave_inside()
        elif "failed" in message:
            reason = f"the run could not be forked: {message['failed']}"
            tell_end(self.ended, MachineryError(reason))
        elif "exit" in message:
            self._control.read()  # the init may have said why, just before
            if self._group is not None and self._group.was_exceeded():
                tell_end(self.ended, Ended(limit="memory"))
            tell_end(self.ended, Ended(status=message["exit"], cpu_s=message["cpu"]))

    def _fork_server_gone(self) -> None:
        """Hand a run that had not begun to the fork server's successor."""
        if self.ended.done():
            return
        if self._started:
            reason = "the fork server was killed while it carried this run"
            tell_end(self.ended, MachineryError(reason))
            return
        if self._report is not None:
            self._report.close()
        try:
            self._launch()
        except MachineryError as error:
            tell_end(self.ended, error)
