"""Modules that are loaded before a run needs them, and hidden until its program imports them.

A program finds `sys.modules` as in a fresh interpreter. A hidden module that it imports is revealed
at once, together with the modules that this module had imported. Standard library only.
"""

from __future__ import annotations

import builtins
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any


class Preloaded(MetaPathFinder):
    """The hidden modules, and the finder through which a program imports them."""

    wanted: tuple[str, ...] = ()
    """The modules that programs are expected to import."""

    def __init__(self, fresh: Iterable[str]) -> None:
        """`fresh` names the modules of a fresh interpreter, which are never hidden."""
        loaded = frozenset(fresh)
        # An interpreter that runs a file has HOME set, so `site` does not load pwd there; pathlib
        # loads pwd together with grp. Since 3.13, `python -c` loads linecache as well.
        self._fresh = loaded - ({"linecache"} if "grp" in loaded else {"linecache", "pwd"})
        self._needs: dict[str, set[str]] = {}
        self._hidden: dict[str, types.ModuleType] = {}
        self._at_fork: dict[str, list[dict[str, Callable[[], None]]]] = {}
        self._path: list[str] = []
        self._prepared: dict[str, tuple[dict[str, types.ModuleType], list[str]]] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record, within the block, the imports of each module and its handlers for forks.

        The handlers don't run while the module is hidden: that would cost each run 1 ms or more.
        """
        real, real_by_name = builtins.__import__, importlib.import_module
        register = os.register_at_fork

        def recorded(
            name: str,
            globals: Any = None,
            locals: Any = None,
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> types.ModuleType:
            module = real(name, globals, locals, fromlist, level)
            self._note(globals or {}, name, fromlist or (), level)
            return module

        def recorded_by_name(name: str, package: str | None = None) -> types.ModuleType:
            module = real_by_name(name, package)
            self._note(sys._getframe(1).f_globals, module.__name__, (), 0)
            return module

        def registered(**handlers: Callable[[], None]) -> None:
            name = str(sys._getframe(1).f_globals.get("__name__"))
            self._at_fork.setdefault(name, []).append(handlers)

        os.register_at_fork = registered  # type: ignore[assignment]
        builtins.__import__ = recorded
        importlib.import_module = recorded_by_name
        try:
            yield
        finally:
            builtins.__import__ = real
            importlib.import_module = real_by_name
            os.register_at_fork = register

    def _note(
        self, importer: dict[str, Any], name: str, fromlist: Iterable[str], level: int
    ) -> None:
        if level:
            package = str(importer.get("__package__") or importer.get("__name__", ""))
            package = package.rsplit(".", level - 1)[0] if level > 1 else package
            name = f"{package}.{name}" if name else package
        needs = self._needs.setdefault(str(importer.get("__name__", "")), set())
        needs.add(name)
        needs.update(whole for item in fromlist if (whole := f"{name}.{item}") in sys.modules)

    def hide(self, ours: str) -> None:
        """Remove all modules but the fresh ones from `sys.modules`; the package `ours` for good."""
        for name in [name for name in sys.modules if name not in self._fresh]:
            module = sys.modules.pop(name)
            if name.partition(".")[0] == ours or not isinstance(module, types.ModuleType):
                continue
            self._hidden[name] = module
            parent, _, child = name.rpartition(".")
            if parent in self._fresh and vars(sys.modules[parent]).get(child) is module:
                delattr(sys.modules[parent], child)
        self._path = list(sys.path)
        sys.meta_path.insert(0, self)

    def prepare(self, names: Iterable[str]) -> None:
        """Compute now what `reveal` has to do for each of these modules, so that it is fast."""
        for name in names:
            if name in self._hidden:
                found = {one: self._hidden[one] for one in self._closure(name)}
                special = [
                    one
                    for one in found
                    if one in self._at_fork or one.rpartition(".")[0] in self._fresh
                ]
                self._prepared[name] = (found, special)

    def find_spec(
        self, name: str, path: object = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import a hidden module; the import system calls this."""
        module = self._hidden.get(name)
        if module is None or self._is_shadowed(name):
            return None
        return ModuleSpec(name, _Revealer(module, self.reveal))

    def reveal(self, name: str) -> None:
        """Restore a hidden module, with its packages and all that it needs."""
        if name in self._prepared:
            found, special = self._prepared[name]
        else:
            found = {one: self._hidden[one] for one in self._closure(name)}
            special = list(found)
        sys.modules.update({**found, **sys.modules})  # never replaces a module
        for one in special:
            parent, _, child = one.rpartition(".")
            if parent in self._fresh and sys.modules[one] is found[one]:
                setattr(sys.modules[parent], child, found[one])
            self._register_fork_handlers(one)

    def _closure(self, name: str) -> set[str]:
        """Return the names of a hidden module, its packages and all modules that it needs."""
        waiting, seen = [name], {name}
        while waiting:
            this = waiting.pop()
            new = {this.rpartition(".")[0], *self._needs.get(this, ())} - seen
            new = {one for one in new if one in self._hidden}
            seen |= new
            waiting += new
        return seen

    def _register_fork_handlers(self, name: str) -> None:
        """Register a module's handlers for forks, and run those for the fork it has missed."""
        for handlers in self._at_fork.pop(name, ()):
            os.register_at_fork(**handlers)
            if "after_in_child" in handlers:
                handlers["after_in_child"]()

    def _is_shadowed(self, name: str) -> bool:
        """Return whether the program's own path has a module of this name, which goes first."""
        if "." in name:
            return False
        before = [entry for entry in sys.path if entry not in self._path]
        return any(
            os.path.exists(os.path.join(entry, name + ending))
            for entry in before
            for ending in (".py", "", ".so")
        )


class _Revealer(Loader):
    """Loads a module by returning the one that is loaded already."""

    def __init__(self, module: types.ModuleType, reveal: Callable[[str], None]) -> None:
        self._module = module
        self._spec = module.__spec__
        self._reveal = reveal

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return self._module

    def exec_module(self, module: types.ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has replaced it
        self._reveal(module.__name__)
