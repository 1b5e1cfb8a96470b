"""The tier `strong`: each run in a cell of its own namespaces, prepared before it is needed.

The cell maker prepares cells, the fork server forks runs into them; this is the server's side of
both. A run costs one fork of the fork server, and one cell of the store of prepared ones.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.isolation.background_work import carried_through
from server.isolation.cell_maker_client import READY_S, Maker, handed_over, let_go_of
from server.isolation.child import cgroups
from server.isolation.child.cell_init import PORT
from server.isolation.child.cell_root import RUN_UID, SCRATCH
from server.isolation.child.channel import channel, send
from server.isolation.engine import (
    SOON_S,
    STARTED_S,
    ExitInfo,
    GivenDescriptors,
    LaunchOrder,
    Listening,
    Place,
    killed,
    resolve_exit,
)
from server.isolation.environment import CELL_ENVIRONMENT
from server.isolation.fork_server_client import WarmParent
from server.isolation.helper_process import Together
from server.limits import Limits, task_cap

_TRIES = 3
_log = logging.getLogger(__name__)


class CellEngine:
    """Keeps prepared cells, and the two processes behind them.

    What an event loop calls never waits: neither for a process, nor for the lock. Where it can't
    go on at once, the helper processes are looked after in a thread, and it tries again.
    """

    def __init__(self, *, preload: tuple[str, ...], ready: int = 4) -> None:
        """`preload` names SDK modules; `ready` cells are kept prepared."""
        self._wanted = ready
        self._lock = threading.Lock()
        self._maker: Maker | None = None
        self._warm = WarmParent(preload, CELL_ENVIRONMENT)
        self._prepared: deque[socket.socket] = deque()
        self._repair = Together(self.start)
        self._check = Together(self._warm.kill_if_silent)

    def start(self) -> None:
        """See `Engine`. Blocks for as long as a cell maker takes to start."""
        with self._lock:
            self._ensure_helpers()
            self._replenish()

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._drop_maker()
            self._warm.end()

    async def place(self, limits: Limits) -> Place:
        """See `Engine`."""
        for _ in range(_TRIES):
            control = await self._taken()
            try:
                async with asyncio.timeout(READY_S):
                    cell = Cell(self, control, await handed_over(control))
            except TimeoutError:
                control.close()
                self._kill_maker()
                raise MachineryError("the cell maker makes no cell; it is replaced") from None
            except ConnectionError:  # the maker was killed: the next one gets its turn
                control.close()
                continue
            except BaseException:
                control.close()
                raise
            if await cell.prepare(limits):
                return cell
        raise MachineryError("the cell maker ends again and again")

    def fork(self, passed: dict[str, int]) -> bool:
        """Have the fork server fork a run; see there for what is passed. Never waits.

        Returns whether it was asked; if not, `repair` helps.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return self._warm.ask("agent", passed)
        finally:
            self._lock.release()

    async def repair(self) -> None:
        """Start the helper processes that are not there.

        Raises:
            MachineryError: they could not be started.

        """
        await self._repair.done()

    async def check(self) -> None:
        """Have a fork server that does not answer killed: whatever waits for it then goes on."""
        await self._check.done()

    def suspect(self) -> None:
        """Have it checked, without waiting: a run ended that it had not begun."""
        self._check.begin()

    # ------------------------------------------------------------ inside

    async def _taken(self) -> socket.socket:
        """Return our end of the channel of a cell that is ready, or will be soon."""
        for _ in range(_TRIES):
            control = self._take()
            if control is not None:
                return control
            await self.repair()
        raise MachineryError("the cell maker ends again and again")

    def _take(self) -> socket.socket | None:
        """Take a prepared cell, and have another one made. Never waits."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if self._maker is None or not self._maker.helper.alive or not self._warm.alive:
                return None
            if not self._prepared:
                self._replenish()
            control = self._prepared.popleft()
            try:
                self._replenish()
            except MachineryError as error:  # the next one will see
                _log.warning("no further cell is prepared: %s", error)
            return control
        finally:
            self._lock.release()

    def _kill_maker(self) -> None:
        _log.error("the cell maker does not answer: it is killed, and replaced")
        if self._maker is not None:
            self._maker.helper.kill()

    # ------------------------------------------------------------ inside; with the lock held

    def _replenish(self) -> None:
        assert self._maker is not None
        while len(self._prepared) < self._wanted:
            self._prepared.append(self._maker.order_cell())

    def _ensure_helpers(self) -> None:
        """Start what isn't going.

        A new maker has a user namespace of its own, and needs a fork server that has not entered
        another's.
        """
        if self._maker is None or not self._maker.helper.alive:
            self._drop_maker()
            self._warm.end()
            self._maker = Maker.start()
        if not self._warm.alive:
            self._warm.start()
            self._warm.ask("enter", {"user": self._maker.user})

    def _drop_maker(self) -> None:
        while self._prepared:
            let_go_of(self._prepared.popleft())
        if self._maker is not None:
            maker, self._maker = self._maker, None
            maker.end()


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
        self.ended: asyncio.Future[ExitInfo] = asyncio.get_running_loop().create_future()
        self.on_limit: Callable[[str], None] = lambda kind: None
        self._control = Listening(control, self._from_init, self._init_gone)
        self._report: Listening | None = None
        self._given: GivenDescriptors | None = None
        self._started = False
        self._silence: asyncio.TimerHandle | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._resized: asyncio.Future[None] | None = None
        self._limits = Limits()
        self._group: cgroups.Group | None = None

    def listener(self) -> socket.socket:
        """See `Place`."""
        assert self._listener is not None
        listener, self._listener = socket.socket(fileno=self._listener), None
        return listener

    async def start(self, order: LaunchOrder, given: GivenDescriptors) -> None:
        """See `Place`."""
        self._given = given
        most = task_cap(order.limits) + (0 if self.owner else 1)  # the init is of the same user
        given.write_job(
            order.job(scratch=SCRATCH, uid=RUN_UID, filter="private", most_tasks=most, port=PORT)
        )
        await self._launch()

    async def close(self) -> bool:
        """See `Place`."""
        gone = await killed(self._pidfd, SOON_S)
        if not gone:  # a process in it waits to be reaped by its parent outside, it may be
            await self._engine.check()
            gone = await killed(self._pidfd)
        elif self._silence is not None and not self._started:
            self._engine.suspect()
        self._hear_no_more()
        self._leave_inside()
        self.ended.cancel()
        return gone

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
        try:
            send(self._control_end, {"go": asdict(limits)})
            if self._resized is not None:
                await asyncio.wait_for(self._resized, READY_S)
        except TimeoutError:
            raise MachineryError("the cell does not answer") from None

    # ------------------------------------------------------------ inside

    async def _launch(self) -> None:
        for _ in range(_TRIES):
            if self._given is None or self._try_launch():  # None: it was closed meanwhile
                return
            await self._engine.repair()
        raise MachineryError("the fork server can't be reached")

    def _try_launch(self) -> bool:
        """Have the run forked. Never waits; nothing of a run is in the hands of a thread."""
        assert self._given is not None
        ours, theirs = channel()
        with theirs:
            passed = {"report": theirs.fileno(), **self._given.named(), **self._inside}
            if not self._engine.fork(passed):
                ours.close()
                return False
        self._report = Listening(ours, self._from_fork_server, self._fork_server_gone)
        self._silence = self._report.loop.call_later(STARTED_S, self._not_started)
        return True

    def _not_started(self) -> None:
        """Ask whether the fork server is still there; its end hands the run to its successor."""
        self._silence = asyncio.get_running_loop().call_later(STARTED_S, self._not_started)
        self._begin(self._engine.check())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._told(work))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (MachineryError, OSError) as error:
            resolve_exit(self.ended, MachineryError(f"the run can't be started: {error}"))

    def _hear_no_more(self) -> None:
        self._control.close()
        if self._report is not None:
            self._report.close()
        if self._silence is not None:
            self._silence.cancel()
        for task in self._asking:
            task.cancel()

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
            resolve_exit(self.ended, ExitInfo(limit=message["limit"]))
        elif "limit" in message:
            self.on_limit(message["limit"])
        elif "failed" in message:
            resolve_exit(self.ended, MachineryError(f"the cell failed: {message['failed']}"))

    def _init_gone(self) -> None:
        resolve_exit(self.ended, MachineryError("the cell was killed"))
        if self._resized is not None and not self._resized.done():
            self._resized.set_exception(ConnectionError("the cell was killed"))

    def _make_group(self) -> None:
        self._group = cgroups.Group.make_for(self._control_end, self._limits.memory_mib)

    def _from_fork_server(self, message: dict[str, Any]) -> None:
        if "started" in message:
            self._started = True
            if self._silence is not None:
                self._silence.cancel()
            self._leave_inside()
        elif "failed" in message:
            reason = f"the run could not be forked: {message['failed']}"
            resolve_exit(self.ended, MachineryError(reason))
        elif "exit" in message:
            self._control.read()  # the init may have said why, just before
            if self._group is not None and self._group.was_exceeded():
                resolve_exit(self.ended, ExitInfo(limit="memory"))
            resolve_exit(self.ended, ExitInfo(status=message["exit"], cpu_s=message["cpu"]))

    def _fork_server_gone(self) -> None:
        """Hand a run that had not begun to the fork server's successor."""
        if self.ended.done():
            return
        if self._started:
            reason = "the fork server was killed while it carried this run"
            resolve_exit(self.ended, MachineryError(reason))
            return
        if self._report is not None:
            self._report.close()
        if self._silence is not None:
            self._silence.cancel()
        self._begin(self._launch())
