"""The keys of the providers and of the user's own servers, from the environment or `.env`."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from dotenv import dotenv_values

from llm_agent_builder.catalog.extra import ModelServer
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from server.secret import Secret

ENV_FILE = Path(".env")

_log = logging.getLogger(__name__)


class KeySource:
    """Reads keys from the environment, or else from `.env`.

    `.env` is read again whenever it has changed, so a new key needs no restart.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, env_file: Path = ENV_FILE) -> None:
        self._environ = environ
        self._env_file = env_file.absolute()
        self._stamp: tuple[int, int, int] | None = None
        self._from_file: Mapping[str, str | None] = {}

    def key(self, provider: ProviderEnum) -> Secret | None:
        """Return the key of `provider`, or None if none is set."""
        found = (self.variable(name) for name in PROVIDERS[provider].key_variables)
        return next((key for key in found if key is not None), None)

    def variable(self, name: str) -> Secret | None:
        """Return the value of a variable, or None if it is unset or blank."""
        for value in (self._environ.get(name), self._read_file().get(name)):
            if value and value.strip():
                return Secret(value.strip())
        return None

    def names(self) -> Collection[str]:
        """Return the names of all variables in `.env`."""
        return self._read_file().keys()

    def _read_file(self) -> Mapping[str, str | None]:
        try:
            status = self._env_file.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._from_file = dotenv_values(self._env_file, interpolate=False)
                self._stamp = stamp
        except FileNotFoundError:
            self._from_file, self._stamp = {}, None
        except (OSError, UnicodeDecodeError) as error:
            _log.warning("can't read %s: %s", self._env_file, type(error).__name__)
            self._from_file, self._stamp = {}, None
        return self._from_file


def server_key(server: ModelServer, keys: KeySource) -> Secret | None:
    """Return the key of the user's own server: empty if it needs none, None if it is not set."""
    return keys.variable(server.key_variable) if server.key_variable else Secret("")
