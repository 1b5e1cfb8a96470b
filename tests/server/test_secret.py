"""Secrets can be neither printed nor pickled."""

from __future__ import annotations

import pickle

import pytest

from server.secret import Secret


def test_secret_shows_itself_nowhere() -> None:
    secret = Secret("canary")
    assert "canary" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret.reveal() == "canary"
