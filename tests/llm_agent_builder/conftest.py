"""What these tests share: Hypothesis's profile, and what the installed SDKs say."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, settings

from tests.llm_agent_builder.support.processes import run_python
from tests.llm_agent_builder.support.scripted_upstream import ScriptedUpstream
from tests.support.matrix import examples

# No deadline: the machine is shared, and how long one example takes says nothing. In CI the same
# examples every time; elsewhere new ones, so that days of work search further.
settings.register_profile(
    "llm_agent_builder",
    max_examples=examples(60),
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("llm_agent_builder")

_ASK_THE_SDKS = """
import json, sys, typing
import anthropic, huggingface_hub
import anthropic.lib.tools.mcp, anyio.from_thread, mcp.client.stdio, mcp.client.streamable_http
from anthropic._data.deprecated_models import DEPRECATED_MODELS
from anthropic.types import Model
huggingface_hub.MCPClient
anthropic.Anthropic(api_key="-").beta.messages, huggingface_hub.InferenceClient(base_url="http://127.0.0.1:9")
ids = [arg for part in typing.get_args(Model) for arg in typing.get_args(part)]
loaded = sorted({name.partition(".")[0] for name in sys.modules})
json.dump({"models": ids, "deprecated": DEPRECATED_MODELS, "modules": loaded}, sys.stdout)
"""


@dataclass(frozen=True)
class InstalledSdks:
    """What the SDKs say when they are imported, which the package never does."""

    model_ids: list[str]
    retirements: dict[str, date]
    modules: list[str]
    """The top-level modules that are loaded once both clients are made."""


@pytest.fixture(scope="session")
def installed_sdks(tmp_path_factory: pytest.TempPathFactory) -> InstalledSdks:
    """Ask the installed SDKs, in a process of their own: importing them takes over a second."""
    done = run_python("-c", _ASK_THE_SDKS, home=tmp_path_factory.mktemp("home"))
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    return InstalledSdks(
        model_ids=reported["models"],
        retirements={model: _read_date(text) for model, text in reported["deprecated"].items()},
        modules=reported["modules"],
    )


def _read_date(text: str) -> date:
    """Read "June 30th, 2026"."""
    month, day, year = text.replace(",", "").split()
    return datetime.strptime(f"{month} {day[:-2]} {year}", "%B %d %Y").date()


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """A provider on loopback that answers as the test says."""
    server = ScriptedUpstream()
    yield server
    server.close()
