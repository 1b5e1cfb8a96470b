"""The environment variables of every run, on all tiers."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import sys

from server.isolation.child.cell_root import SCRATCH, TEMPORARY

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # as openssl-rehash(1) names certificates


def certificates_folder() -> str | None:
    """Return the folder where OpenSSL finds certificates by their hashes; None if there is none."""
    folder = ssl.get_default_verify_paths().openssl_capath
    with contextlib.suppress(OSError):
        if any(_HASHED.fullmatch(name) for name in os.listdir(folder)):
            return os.path.realpath(folder)
    return None


def _base_environment() -> dict[str, str]:
    """Return the variables; `python` on the PATH is this interpreter."""
    found = {"LANG": "C.UTF-8", "PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin"}
    if folder := certificates_folder():
        # Otherwise each new client reads a bundle of all certificates, which takes some 30 ms.
        found["SSL_CERT_DIR"] = folder
    return found


BASE_ENVIRONMENT = _base_environment()
CELL_ENVIRONMENT = {**BASE_ENVIRONMENT, "HOME": SCRATCH, "TMPDIR": TEMPORARY}
"""The variables of a run in a cell, before the gateway's variables are added."""
