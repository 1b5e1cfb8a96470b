"""What `doctor` tries out beside the sandbox itself; each says what is wrong, or None."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from llm_agent_builder.errors import MachineryError
from llm_agent_builder.providers import PROVIDERS
from server.local_model import LocalModel
from server.sandbox import Sandbox, run_in_sandbox
from server.settings import Settings


def sdk_problem(sandbox: Sandbox) -> str | None:
    """Load the providers' SDKs in a run. Blocks for as long as that takes."""
    imports = "\n".join(f"import {provider.sdk_module}" for provider in PROVIDERS.values())
    try:
        shown = run_in_sandbox(imports, "", sandbox=sandbox)
    except MachineryError as error:
        return str(error)
    return shown.strip().splitlines()[-1] if shown else None


async def local_model_problem(settings: Settings) -> str | None:
    """Start the built-in model, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        model = LocalModel(path=settings.local_model_path, log_file=Path(folder) / "log")
        try:
            await model.endpoint()
        except MachineryError as error:
            return str(error)
        finally:
            await model.close()
    return None


def can_be_written(folder: Path) -> bool:
    """Return whether files can be put into a folder, or it can be made."""
    while not os.path.exists(folder):  # Path.exists raises where it may not look
        folder = folder.parent
    return os.access(folder, os.W_OK)
