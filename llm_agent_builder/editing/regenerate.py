"""Regenerates an edited file from a changed spec and keeps the manual edits.

A three-way merge: the file generated from the old spec (base), the edited file (ours) and the file
generated from the new spec (theirs). They are merged part by part, so that additions next to a part
don't conflict with changes in it. The result is read back: unless its spec equals the new spec, the
merge is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from llm_agent_builder.agent_builder import AgentBuilder, filename_for
from llm_agent_builder.editing.line_merge import merge_lines
from llm_agent_builder.editing.merge_checks import check_names
from llm_agent_builder.editing.renaming import rename_class, rename_file
from llm_agent_builder.editing.value_spans import own_ends, replace_value
from llm_agent_builder.errors import Conflict, MergeConflictError, NotOursError
from llm_agent_builder.reading.line_matching import CompareBudget
from llm_agent_builder.reading.literal_values import NotLiteralError, literal_value
from llm_agent_builder.reading.parts import FileParts, Part, split_file
from llm_agent_builder.reading.read_agent import Reading, read_agent
from llm_agent_builder.reading.source import read_source
from llm_agent_builder.spec.agent_spec import AgentSpec


@dataclass(frozen=True, slots=True)
class Regenerated:
    """An edited file with changed fields."""

    code: str
    reading: Reading
    """The spec and the manual edits of the new code."""


def regenerate(text: str, spec: AgentSpec) -> Regenerated:
    """Return the edited file `text` with the fields of `spec` and all its manual edits.

    Raises:
        NotOursError: the text is not an agent file of this builder.
        MergeConflictError: a changed field conflicts with manual edits; lists all conflicts.

    """
    before = read_agent(text)
    if before.spec == spec:
        return Regenerated(text, before)
    base = split_file(read_source(AgentBuilder().build(before.spec)))
    theirs = split_file(read_source(AgentBuilder().build(spec)))
    names = _Names(base, theirs, filename_for(before.spec.name), filename_for(spec.name))
    ours, base = names.renamed(before.file), names.renamed(base)
    merge = _Merge(ours, base, theirs)
    code = merge.run()
    if merge.conflicts:
        raise MergeConflictError(sorted(merge.conflicts, key=lambda each: each.first_line))
    return Regenerated(code, _verified(code, spec, before))


class _Names:
    """The old and new names of the agent's class and file."""

    def __init__(self, base: FileParts, theirs: FileParts, old_file: str, new_file: str) -> None:
        assert base.agent is not None
        assert theirs.agent is not None
        self.old, self.new = base.agent.name, theirs.agent.name
        self.old_file, self.new_file = old_file, new_file

    def renamed(self, file: FileParts) -> FileParts:
        """Return a file with the old names replaced by the new ones."""
        source, agent = file.source, file.agent
        if agent is not None and agent.name == self.old != self.new:
            source = rename_class(source, agent, self.new)
        source = rename_file(source, self.old_file, self.new_file)
        return file if source is file.source else split_file(source)


def _verified(code: str, spec: AgentSpec, before: Reading) -> Reading:
    """Read the merged file, and check its spec and the names it uses."""
    try:
        after = read_agent(code)
    except NotOursError as error:
        raise MergeConflictError(
            [_whole(before, f"the merged file would be invalid: it {error}")]
        ) from None
    if after.spec != spec:
        differing = [
            name
            for name in AgentSpec.model_fields
            if getattr(after.spec, name) != getattr(spec, name)
        ]
        reason = f"{', '.join(differing)} would not have the requested value; change it in the code"
        raise MergeConflictError([_whole(before, reason)])
    check_names(before.file.source, after.file.source)
    return after


def _whole(before: Reading, reason: str) -> Conflict:
    """Return a conflict at the first manual edit, as the exact line is unknown."""
    if not before.edits:
        return Conflict(1, 1, before.file.source.lines[0], reason)
    first = before.edits[0]
    return Conflict(first.first_line, first.last_line, first.text, reason)


class _Merge:
    """The state of one merge, with the conflicts found so far."""

    def __init__(self, ours: FileParts, base: FileParts, theirs: FileParts) -> None:
        self.ours, self.base_source, self.theirs_file = ours, base.source, theirs
        self.base = {part.key: part for part in base.parts}
        self.theirs = {part.key: part for part in theirs.parts}
        self.conflicts: list[Conflict] = []
        self.newline = ours.source.newline
        self.budget = CompareBudget()

    def run(self) -> str:
        """Return the merged file."""
        texts = {part.key: self._merged(part) for part in self.ours.parts}
        for part in self.theirs_file.parts:
            if part.key not in texts and self._is_wanted(part):
                texts[part.key] = own_ends("".join(part.lines), self.newline)
        ordered = [texts[key] for key in self._order() if key in texts]
        return self.ours.source.bom + self._joined(ordered)

    def _order(self) -> list[str]:
        """Return the keys of all parts, in the new order; manual reordering takes precedence."""
        ours = [part.key for part in self.ours.parts]
        theirs = [part.key for part in self.theirs_file.parts]
        common = [key for key in ours if key in self.base]
        moved = common != [key for key in self.base if key in set(common)]
        first, second = (ours, theirs) if moved else (theirs, ours)
        return _inserted(first, second)

    def _is_wanted(self, part: Part) -> bool:
        """Return whether a part that ours lacks is new, rather than removed by hand."""
        original = self.base.get(part.key)
        if original is not None and original.lines != part.lines:
            line = "".join(original.lines).strip().partition("\n")[0]
            reason = f"the form changes a part that you removed by hand: {line}"
            self.conflicts.append(Conflict(1, 1, self.ours.source.lines[0], reason))
        return original is None

    def _joined(self, texts: list[str]) -> str:
        """Join parts; a part that lacks a line end gets one, unless it is the last."""
        filled = [text for text in texts if text]
        ended = [
            text if text.endswith(("\n", "\r")) else text + self.newline for text in filled[:-1]
        ]
        return "".join([*ended, *filled[-1:]])

    def _merged(self, part: Part) -> str:
        original, wanted = self.base.get(part.key), self.theirs.get(part.key)
        code = "".join(self.ours.original_lines(part))
        if original is None:
            if wanted is not None and _words(wanted) != _words(part):
                self._conflict(part, "the changed fields need this name; rename yours")
            return code
        if wanted is None:
            if original.lines == part.lines:
                return ""
            self._conflict(part, "the changed fields remove this part; remove your lines first")
            return code
        if wanted.lines in (original.lines, part.lines):
            return code
        if original.lines == part.lines:
            return own_ends("".join(wanted.lines), self.newline)
        return self._both(part, original, wanted)

    def _both(self, part: Part, original: Part, wanted: Part) -> str:
        value = part.value
        if value is not None and original.value is not None and wanted.value is not None:
            return self._value(part, value, original.value, wanted.value)
        # Comments above a statement don't conflict with changes inside it.
        heads = [each.lines[: each.lead] for each in (original, part, wanted)]
        bodies = [each.lines[each.lead :] for each in (original, part, wanted)]
        return self._lines(part, 0, *heads) + self._lines(part, part.lead, *bodies)

    def _lines(
        self,
        part: Part,
        shift: int,
        original: Sequence[str],
        lines: Sequence[str],
        wanted: Sequence[str],
    ) -> str:
        """Merge some lines of a part; `shift` is the index of the first one in the part."""
        merged, conflicts = merge_lines(original, lines, wanted, self.budget)
        for conflict in conflicts:
            start, end = shift + conflict.start, shift + conflict.end
            self._conflict(part, "the form changes the same lines", start, end)
        ours = self.ours.original_lines(part)
        return "".join(
            ours[shift + line] if isinstance(line, int) else own_ends(line, self.newline)
            for line in merged
        )

    def _value(self, part: Part, value: ast.expr, old: ast.expr, new: ast.expr) -> str:
        """Replace the old value by the new one, and nothing around it."""
        text = None
        if _same(value, old):
            code = own_ends(self.theirs_file.source.segment(new), self.newline)
            text = replace_value(self.ours.source, part.first, part.end, value, code)
        if text is None:
            name = part.key.removeprefix("= ")
            self._conflict(part, f"{name} is not a literal here; change it in the code")
            return "".join(self.ours.original_lines(part))
        return text

    def _conflict(self, part: Part, reason: str, start: int = 0, end: int | None = None) -> None:
        last = len(part.lines) if end is None else max(end, start + 1)
        while end is None and start < last - 1 and not part.lines[start].strip():
            start += 1
        text = "".join(part.lines[start:last])
        first, last = part.first + start + 1, part.first + last
        self.conflicts.append(Conflict(first, last, text, reason))


def _inserted(order: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return `order` plus the keys that only `other` has, each after its predecessor there."""
    known = set(order)
    behind: dict[str, list[str]] = {}
    last = ""
    for key in other:
        if key in known:
            last = key
        else:
            behind.setdefault(last, []).append(key)
    return behind.get("", []) + [each for key in order for each in (key, *behind.get(key, ()))]


def _words(part: Part) -> list[str]:
    return "".join(part.lines).split()


def _same(one: ast.expr, other: ast.expr) -> bool:
    try:
        return literal_value(one) == literal_value(other)
    except NotLiteralError:
        return False
