"""Removes personal data (keys, users, hosts, folders) from the text of a bug report."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from llm_agent_builder.providers import PROVIDERS
from server.isolation.helper_process import PACKAGE_ROOT
from server.keys import KeySource
from server.settings import Settings

MASKED = "(masked)"
_COMMON = frozenset({"/", "/usr", "/usr/local", "/tmp", "root", "localhost", "", "."})  # noqa: S108
"""Values that are common to many machines and identify nobody; our own texts contain them."""
_LONG = 8
_KNOWN_TREES = "usr|lib|lib64|bin|sbin|proc|sys|dev|etc|run|scratch|code"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"`]+", re.IGNORECASE)
_PART = r"[^\s'\"`:;,()\]/]"
_OTHER_PATH = re.compile(rf"(?<![\w/.\]])/(?!(?:{_KNOWN_TREES})\b){_PART}+(?:/{_PART}*)*")
_Replacement = tuple[re.Pattern[str], str]


class Redactor:
    """Replaces known data of the user and the machine, and everything like a path or URL."""

    def __init__(
        self, settings: Settings, keys: KeySource, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._replacements = [
            *_word_patterns(_secrets(settings, keys)),
            *_folder_patterns(_folders(settings, environ)),
            *_word_patterns(_names(environ)),
        ]

    def clean(self, text: str) -> str:
        """Return the redacted text on one line."""
        for pattern, replacement in self._replacements:
            text = pattern.sub(replacement, text)
        text = _OTHER_PATH.sub("[path]", _URL.sub("[url]", text))
        return " ".join(text.split())


def changed_settings(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the name and value of each setting that differs from its default.

    A value is masked unless it is a number or one of a fixed set of choices.
    """
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value != field.get_default(call_default_factory=True):
            plain = isinstance(value, int | float) or _is_choice(field.annotation, value)
            yield name, str(value) if plain else MASKED


def _is_choice(annotation: Any, value: object) -> bool:
    if get_origin(annotation) is Literal:
        return value in get_args(annotation)
    return any(_is_choice(part, value) for part in get_args(annotation))


def _folder_patterns(found: Iterable[tuple[str, str]]) -> Iterator[_Replacement]:
    """Yield patterns that match a folder and all below it, where names are personal as well."""
    for text, word in _longest_first(found):
        yield re.compile(rf"{re.escape(text)}(?![a-zA-Z0-9])(?:/{_PART}*)*"), f"[{word}]"


def _word_patterns(found: Iterable[tuple[str, str]]) -> Iterator[_Replacement]:
    """Yield patterns that match short words only as a whole, and long ones anywhere."""
    for text, word in _longest_first(found):
        pattern = re.escape(text)
        if len(text) < _LONG:
            pattern = rf"(?<![a-zA-Z0-9]){pattern}(?![a-zA-Z0-9])"
        yield re.compile(pattern), f"[{word}]"


def _longest_first(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    wanted = {text: word for text, word in found if text not in _COMMON}
    return sorted(wanted.items(), key=lambda item: len(item[0]), reverse=True)


def _secrets(settings: Settings, keys: KeySource) -> Iterator[tuple[str, str]]:
    for provider in PROVIDERS:
        if key := keys.key(provider):
            yield key.reveal(), "key"
    for name, shown in changed_settings(settings):
        if shown == MASKED:
            value = getattr(settings, name)
            for text in value if isinstance(value, tuple) else (value,):
                yield str(text), f"value of {name}"


def _folders(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for word, folders in {
        "folder": (os.getcwd(), environ.get("PWD", ""), tempfile.gettempdir()),
        "installation": (PACKAGE_ROOT, sys.prefix, sys.base_prefix),
        "data": (str(settings.data_dir), environ.get("XDG_DATA_HOME", "")),
        "home": (environ.get("HOME", ""), _account("pw_dir")),
    }.items():
        for folder in folders:
            if folder:
                yield folder.rstrip("/"), word
                yield str(Path(folder).resolve()), word


def _names(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
        yield environ.get(variable, ""), "user"
    yield _account("pw_name"), "user"
    for host in (socket.gethostname(), environ.get("HOSTNAME", "")):
        yield host, "host"
        yield host.partition(".")[0], "host"


def _account(field: str) -> str:
    with contextlib.suppress(KeyError):  # a user id without an account, as in many containers
        return str(getattr(pwd.getpwuid(os.geteuid()), field))
    return ""
