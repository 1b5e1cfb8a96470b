"""Every exception this project raises on purpose.

AgentBuilderError
├── SpecError (also a ValueError)      the values of an agent can't be used; names the field
├── UnknownModelError (a SpecError)    the provider doesn't offer that model
├── CodeProblem (also a ValueError)    the user's Python can't be used; names the line and a fix
├── SpecFileError                      a spec file is no YAML or JSON mapping; names it
├── NotOursError                       a file can't be read back or imported; says why
├── MergeConflictError                 a change conflicts with manual edits; names the lines
├── SchemaProblem (also a ValueError)  a JSON Schema can't be used; names the path in it and a fix
├── TemplateError                      a template has a bug: the file isn't as expected
├── SettingsError                      a setting can't be used; names the variable
├── QueueFullError                     too many runs wait; try again after `retry_after` seconds
├── ReadersBusyError                   too many files are being read; retry after `retry_after` s
├── ServerBusyError                    the server is at its limit; try again after `retry_after` s
├── TooLargeError                      a request is larger than the server reads
├── RunNotFoundError                   no run has that id
├── RunElsewhereError                  another server runs it, and hasn't cancelled it yet
├── RunFileNotFoundError               the run has no file of that name, or it was deleted
└── MachineryError                     the server failed: never the agent's fault
    ├── SandboxUnavailableError        no isolation that this server accepts; says how to fix it
    ├── BackendUnavailableError        no model can answer; says how to fix it
    └── StoreError                     the database can't be read or written

The rule behind the last branch: "the user's program failed" is an outcome of a run and never an
exception; "the server failed" is an exception and never an outcome that looks like the program's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class AgentBuilderError(Exception):
    """The base of all errors of this project; `str()` is a sentence for a user."""


class SpecError(AgentBuilderError, ValueError):
    """A value of an agent can't be used.

    `field` is the name of the AgentSpec field; `str()` starts with it. `also` has further fields
    and their problems; `problem` is a text with all of them, and `problems` is the list.
    """

    def __init__(self, field: str, problem: str, also: Sequence[tuple[str, str]] = ()) -> None:
        self.field = field
        self.problems = ((field, problem), *also)
        self.problem = "; ".join([problem, *(f"{name}: {more}" for name, more in also)])
        super().__init__(f"{field}: {self.problem}")


class UnknownModelError(SpecError):
    """The model is not one the provider offers; the message lists those that are."""


class CodeProblem(AgentBuilderError, ValueError):  # noqa: N818 - of the user's code, not of ours
    """The user's Python can't be used; `str()` names the line and a fix.

    `line` counts from 1; `message` is the rest.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


class SpecFileError(AgentBuilderError):
    """A spec file can't be read as YAML or JSON, or isn't a mapping of fields.

    `str()` names the file; `problem` says only what is wrong, on one line, and `line`, counted from
    1, where it is.
    """

    def __init__(self, message: str, problem: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.problem = problem or message
        self.line = line


class NotOursError(AgentBuilderError):
    """A file isn't what the command expects; `str()` says why, without the file's name."""

    importable = False
    """Whether the file may be one that `import_agent` reads."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Lines of a hand-edited file that a changed field would have to change too."""

    first_line: int
    last_line: int
    text: str
    reason: str
    """The conflicting part, and what to do."""


CONFLICTS_MAX = 20
"""Limit of the conflicts in one error, as each shows its lines."""


class MergeConflictError(AgentBuilderError):
    """Changed fields conflict with manual edits of a file; nothing was changed.

    `conflicts` has the first CONFLICTS_MAX conflicts, with their lines, counted from 1.
    """

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        conflicts = conflicts[:CONFLICTS_MAX]
        places = "; ".join(f"line {each.first_line}: {each.reason}" for each in conflicts)
        super().__init__(f"the changes conflict with manual edits ({places})")
        self.conflicts = tuple(conflicts)


class SchemaProblem(AgentBuilderError, ValueError):  # noqa: N818 - as CodeProblem
    """The user's JSON Schema can't be used; `str()` names the path in it and a fix.

    `path` looks like `properties.age.pattern`; it is empty for the whole schema.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.message = message


class TemplateError(AgentBuilderError):
    """A rendered agent file differs in shape from its reference. A bug in a template."""


class SettingsError(AgentBuilderError):
    """A setting has a value that can't be used; the message names the environment variable."""


class QueueFullError(AgentBuilderError):
    """The limit of waiting runs is reached. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            f"too many runs are waiting; try again in {retry_after:.0f} s, or raise "
            "AGENT_BUILDER_MAX_QUEUED_RUNS"
        )
        self.retry_after = retry_after


class ReadersBusyError(AgentBuilderError):
    """The limit of files read at once is reached. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"too many files are being read; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


class ServerBusyError(AgentBuilderError):
    """The server is at its limit for a kind of work. `retry_after` is in seconds."""

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(f"{what}; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


class TooLargeError(AgentBuilderError):
    """A request is larger than the server reads."""


class RunNotFoundError(AgentBuilderError):
    """No run has that id."""


class RunFileNotFoundError(AgentBuilderError):
    """The run returned no file of that name, or it was deleted."""


class MachineryError(AgentBuilderError):
    """The server's own machinery failed; the program under test is not to blame."""


class SandboxUnavailableError(MachineryError):
    """No sandbox tier that this server accepts is available here."""


class BackendUnavailableError(MachineryError):
    """The backend asked for can't answer."""


class StoreError(MachineryError):
    """The run history can't be read or written.

    `lasting` means that the same write would always fail again.
    """

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class RunElsewhereError(AgentBuilderError):
    """Another server runs it, and did not respond to a request in time."""
