"""The tier `strong`: each run in a cell of its own, prepared before it is needed.

A cell is a prepared set of namespaces that a run enters. The cell maker prepares cells, the fork
server forks runs into them; this is the server's side of both. A run costs one fork of the fork
server and one cell from the pool of prepared ones.
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
from server.isolation.async_io import ChannelReader, kill_and_wait
from server.isolation.background_work import SingleFlight, finish_despite_cancellation
from server.isolation.cell_maker_client import READY_S, CellMakerClient, discard_cell, receive_cell
from server.isolation.child.cell_init import PORT
from server.isolation.child.cell_root import RUN_UID, SCRATCH
from server.isolation.child.cgroups import RunCgroup
from server.isolation.child.channel import channel, send
from server.isolation.engine import (
    SOON_S,
    STARTED_S,
    ExitInfo,
    LaunchOrder,
    PassedDescriptors,
    Workspace,
    resolve_exit,
)
from server.isolation.environment import CELL_ENVIRONMENT
from server.isolation.fork_server_client import ForkServerClient
from server.limits import Limits, task_cap

_TRIES = 3
_log = logging.getLogger(__name__)


class CellEngine:
    """Keeps a pool of prepared cells, and the two helper processes that make and use them.

    The functions that an event loop calls never wait: neither for a process, nor for the lock.
    Where they can't succeed at once, a thread repairs the helper processes, and they try again.
    """

    def __init__(self, *, preload: tuple[str, ...], ready: int = 4) -> None:
        """`preload` names SDK modules; `ready` is how many cells the pool has."""
        self._pool_size = ready
        self._lock = threading.Lock()
        self._cell_maker: CellMakerClient | None = None
        self._fork_server = ForkServerClient(preload, CELL_ENVIRONMENT)
        self._pool: deque[socket.socket] = deque()
        self._closed = False
        self._repair = SingleFlight(self.start)
        self._check = SingleFlight(self._fork_server.kill_if_silent)

    def start(self) -> None:
        """See `Engine`. Blocks for as long as a cell maker takes to start."""
        with self._lock:
            if self._closed:  # by another thread, during a repair
                raise MachineryError("the sandbox is closed")
            self._ensure_helpers()
            self._replenish()

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._closed = True
            self._end_cell_maker()
            self._fork_server.end()

    async def workspace(self, limits: Limits) -> Workspace:
        """See `Engine`."""
        for _ in range(_TRIES):
            control = await self._next_cell()
            try:
                async with asyncio.timeout(READY_S):
                    cell = Cell(self, control, await receive_cell(control))
            except TimeoutError:
                control.close()
                self._kill_cell_maker()
                raise MachineryError(
                    "the cell maker did not create a cell and was restarted"
                ) from None
            except ConnectionError:  # the cell maker was killed: try its successor
                control.close()
                continue
            except BaseException:
                control.close()
                raise
            if await cell.prepare(limits):
                return cell
        raise MachineryError("the cell maker keeps exiting")

    def fork(self, descriptors: dict[str, int]) -> bool:
        """Ask the fork server to fork a run, which gets `descriptors`. Never waits.

        Returns whether the request was sent; if not, call `repair` and try again.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return self._fork_server.ask("agent", descriptors)
        finally:
            self._lock.release()

    async def repair(self) -> None:
        """Start the helper processes that are missing.

        Raises:
            MachineryError: they could not be started.

        """
        await self._repair.run()

    async def check(self) -> None:
        """Kill a fork server that does not answer, so that what waits for it can continue."""
        await self._check.run()

    def check_soon(self) -> None:
        """Do what `check` does, without waiting: a run was ended before it had started."""
        self._check.start()

    # ------------------------------------------------------------ the pool, without waiting

    async def _next_cell(self) -> socket.socket:
        """Return the server's end of the channel of a cell that is ready, or will be soon."""
        for _ in range(_TRIES):
            control = self._take()
            if control is not None:
                return control
            await self.repair()
        raise MachineryError("the cell maker keeps exiting")

    def _take(self) -> socket.socket | None:
        """Take a cell from the pool and order another one; None if a repair is needed first."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            maker = self._cell_maker
            if maker is None or not maker.helper.alive or not self._fork_server.alive:
                return None
            if not self._pool:
                self._replenish()
            control = self._pool.popleft()
            try:
                self._replenish()
            except MachineryError as error:  # the next caller gets this error
                _log.warning("no further cell is prepared: %s", error)
            return control
        finally:
            self._lock.release()

    def _kill_cell_maker(self) -> None:
        _log.error("the cell maker does not answer: it is killed and replaced")
        if self._cell_maker is not None:
            self._cell_maker.helper.kill()

    # ------------------------------------------------------------ the helpers, under the lock

    def _replenish(self) -> None:
        assert self._cell_maker is not None
        while len(self._pool) < self._pool_size:
            self._pool.append(self._cell_maker.order_cell())

    def _ensure_helpers(self) -> None:
        """Start the helper processes that are not running.

        A new cell maker has a new user namespace, and needs a fork server that has not entered
        another one.
        """
        if self._cell_maker is None or not self._cell_maker.helper.alive:
            self._end_cell_maker()
            self._fork_server.end()
            self._cell_maker = CellMakerClient.start()
        if not self._fork_server.alive:
            self._fork_server.start()
            self._fork_server.ask("enter", {"user": self._cell_maker.user_namespace})

    def _end_cell_maker(self) -> None:
        while self._pool:
            discard_cell(self._pool.popleft())
        if self._cell_maker is not None:
            maker, self._cell_maker = self._cell_maker, None
            maker.end()


class Cell:
    """One cell; see `Workspace`."""

    scratch = SCRATCH
    bounded = True

    def __init__(
        self, engine: CellEngine, control: socket.socket, descriptors: dict[str, int]
    ) -> None:
        self._engine = engine
        self._control_end = control
        self._pidfd = descriptors.pop("pidfd")
        self.folder = descriptors.pop("folder")
        self._listener: int | None = descriptors.pop("listener")
        self._inner = descriptors
        found = os.fstat(self.folder).st_uid
        self.owner = None if found == os.geteuid() else found
        self.ended: asyncio.Future[ExitInfo] = asyncio.get_running_loop().create_future()
        self.on_limit: Callable[[str], None] = lambda kind: None
        self._control = ChannelReader(control, self._from_init, self._init_gone)
        self._report: ChannelReader | None = None
        self._given: PassedDescriptors | None = None
        self._started = False
        self._start_timer: asyncio.TimerHandle | None = None
        self._checks: set[asyncio.Task[None]] = set()
        self._resized: asyncio.Future[None] | None = None
        self._limits = Limits()
        self._cgroup: RunCgroup | None = None

    def listener(self) -> socket.socket:
        """See `Workspace`."""
        assert self._listener is not None
        listener, self._listener = socket.socket(fileno=self._listener), None
        return listener

    async def start(self, order: LaunchOrder, given: PassedDescriptors) -> None:
        """See `Workspace`."""
        self._given = given
        most = task_cap(order.limits) + (0 if self.owner else 1)  # the init has the same user id
        given.write_job(
            order.job(scratch=SCRATCH, uid=RUN_UID, filter="private", max_tasks=most, port=PORT)
        )
        await self._launch()

    async def close(self) -> bool:
        """See `Workspace`."""
        gone = await kill_and_wait(self._pidfd, SOON_S)
        if not gone:  # perhaps one of its processes waits to be reaped by its parent outside
            await self._engine.check()
            gone = await kill_and_wait(self._pidfd)
        elif self._start_timer is not None and not self._started:
            self._engine.check_soon()
        self._stop_reading()
        self._close_given()
        self.ended.cancel()
        return gone

    async def release(self) -> None:
        """See `Workspace`."""
        os.close(self.folder)
        os.close(self._pidfd)
        if self._listener is not None:
            os.close(self._listener)
        if self._cgroup is not None:
            await asyncio.to_thread(self._cgroup.remove)

    async def prepare(self, limits: Limits) -> bool:
        """Tell the init the run's limits; if scratch has to be resized, wait for that.

        Returns whether the cell still exists; if not, everything of it has been released.
        """
        try:
            await self._prepare(limits)
        except BaseException as error:
            await finish_despite_cancellation(self._discard())
            if not isinstance(error, ConnectionError):
                raise
            return False
        return True

    async def _discard(self) -> None:
        await self.close()
        await self.release()

    async def _prepare(self, limits: Limits) -> None:
        self._limits = limits
        if limits.scratch_mib != Limits().scratch_mib:
            self._resized = asyncio.get_running_loop().create_future()
        try:
            send(self._control_end, {"start": asdict(limits)})
            if self._resized is not None:
                await asyncio.wait_for(self._resized, READY_S)
        except TimeoutError:
            raise MachineryError("the cell does not answer") from None

    # ------------------------------------------------------------ starting the program

    async def _launch(self) -> None:
        for _ in range(_TRIES):
            if self._given is None or self._try_launch():  # None: it was closed meanwhile
                return
            await self._engine.repair()
        raise MachineryError("the fork server can't be reached")

    def _try_launch(self) -> bool:
        """Have the run forked. Never waits, and leaves nothing of the run to another thread."""
        assert self._given is not None
        ours, theirs = channel()
        with theirs:
            descriptors = {"report": theirs.fileno(), **self._given.named(), **self._inner}
            if not self._engine.fork(descriptors):
                ours.close()
                return False
        self._report = ChannelReader(ours, self._from_fork_server, self._fork_server_gone)
        self._start_timer = self._report.loop.call_later(STARTED_S, self._start_is_late)
        return True

    def _start_is_late(self) -> None:
        """Check the fork server; if it is killed, `_fork_server_gone` asks its successor."""
        loop = asyncio.get_running_loop()
        self._start_timer = loop.call_later(STARTED_S, self._start_is_late)
        self._in_background(self._engine.check())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._report_failure_of(work))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    async def _report_failure_of(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (MachineryError, OSError) as error:
            resolve_exit(self.ended, MachineryError(f"the run can't be started: {error}"))

    def _stop_reading(self) -> None:
        self._control.close()
        if self._report is not None:
            self._report.close()
        if self._start_timer is not None:
            self._start_timer.cancel()
        for task in self._checks:
            task.cancel()

    def _close_given(self) -> None:
        """Close the copies of what the run has by now: the cell's namespaces, and its pipes."""
        if self._given is not None:
            self._given.close_pipes()
            self._given = None
        while self._inner:
            os.close(self._inner.popitem()[1])

    # ------------------------------------------------------------ messages

    def _from_init(self, message: dict[str, Any]) -> None:
        if "resized" in message and self._resized is not None:
            self._resized.set_result(None)
        elif "long_running" in message:
            self._cgroup = RunCgroup.make_for(self._control_end, self._limits.memory_mib)
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

    def _from_fork_server(self, message: dict[str, Any]) -> None:
        if "started" in message:
            self._started = True
            if self._start_timer is not None:
                self._start_timer.cancel()
            self._close_given()
        elif "failed" in message:
            reason = f"the run could not be forked: {message['failed']}"
            resolve_exit(self.ended, MachineryError(reason))
        elif "exit" in message:
            self._control.read()  # the init may have reported a limit just before
            if self._cgroup is not None and self._cgroup.out_of_memory():
                resolve_exit(self.ended, ExitInfo(limit="memory"))
            resolve_exit(self.ended, ExitInfo(status=message["exit"], cpu_s=message["cpu"]))

    def _fork_server_gone(self) -> None:
        """Launch a run that had not started again, with the fork server's successor."""
        if self.ended.done():
            return
        if self._started:
            reason = "the fork server was killed during this run"
            resolve_exit(self.ended, MachineryError(reason))
            return
        if self._report is not None:
            self._report.close()
        if self._start_timer is not None:
            self._start_timer.cancel()
        self._in_background(self._launch())
