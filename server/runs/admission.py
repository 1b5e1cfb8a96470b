"""Admission: whether one more run may wait, by the number and the size of those that are open."""

from __future__ import annotations

from collections.abc import Collection

from llm_agent_builder.errors import MachineryError, QueueFullError, ServerBusyError
from server.limits import MIB
from server.runs.run import Run

INPUT_MAX_BYTES = 64 * MIB
"""Limit on the code, tasks, files and cassettes of all open runs together."""


class Admission:
    """Decides whether a run is admitted. Runs that wait or are in progress are "open"."""

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._average_s = 1.0
        self.is_closed = False
        """Whether no more runs are admitted, because the server is stopping."""

    def require_capacity(self, open_runs: Collection[Run], size: int) -> None:
        """Raise an error if a run whose input has `size` bytes can't be admitted.

        Raises:
            QueueFullError: the queue is full.
            ServerBusyError: the input of all open runs would take too much memory.
            MachineryError: the server is stopping.

        """
        if self.is_closed:
            raise MachineryError("the server is stopping and starts no further runs")
        if len(open_runs) >= self._max_open:
            raise QueueFullError(self._retry_after_s)
        if sum(run.input_size for run in open_runs) + size > INPUT_MAX_BYTES:
            message = "the inputs of the open runs use up the memory limit; try again later"
            raise ServerBusyError(message, self._retry_after_s)

    def record_duration(self, seconds: float) -> None:
        """Add a run's duration to the average, which sets the `Retry-After` of refusals."""
        self._average_s = 0.9 * self._average_s + 0.1 * seconds

    @property
    def _retry_after_s(self) -> float:
        return max(1.0, self._average_s)
