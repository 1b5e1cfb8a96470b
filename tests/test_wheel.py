"""The wheel: what it carries, and that it does the main job without Node or a checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.serving import bare_environment

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("llm_agent_builder", "server", "pyproject.toml", "requirements.txt", "README.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel from a copy, so that the checkout stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for name in PARTS:
        part = ROOT / name
        if part.is_dir():
            shutil.copytree(part, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, source / name)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into an environment of its own; return that environment's interpreter.

    The dependencies are lent by the environment of the tests. A module beside the product stands
    for those that a real installation would put there.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    packages = next(folder.glob("lib/python3.*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))
    (packages / "beside_the_product.py").write_text("WORKS = True\n")
    return python


@pytest.fixture
def served(installed: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    process = subprocess.Popen(
        [installed, "-c", "from server.cli import main; main()", "serve", "--port", "0"],
        cwd=tmp_path,
        env=bare_environment(tmp_path, AGENT_BUILDER_PRELOAD="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().partition(": ")[2].strip()
        with httpx.Client(base_url=url, timeout=90, trust_env=False) as client:
            yield client
        process.terminate()


def test_wheel_carries_page_templates_and_no_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "server/static/index.html" in names
    assert any(name.startswith("server/static/assets/") for name in names)
    assert "llm_agent_builder/templates/agent_template.py.j2" in names
    assert "llm_agent_builder/gallery/calculator.py" in names
    migrations = "server/storage/migrations"
    assert f"{migrations}/env.py" in names
    assert f"{migrations}/versions/r0001_baseline.py" in names
    assert not [name for name in names if name.startswith(("tests", "frontend", "scripts"))]


@pytest.mark.matrix
def test_installed_wheel_serves_the_page_and_runs_an_agent(served: httpx.Client) -> None:
    assert "<title>" in served.get("/").text
    spec = {"name": "Geo", "prompt": "You are a helpful assistant."}
    spec |= {"task": "What is the capital of France?", "provider": "huggingface"}
    spec |= {"model": "openai/gpt-oss-20b"}
    code = served.post("/api/generate", json=spec).json()["code"]
    body = {"code": code, "task": spec["task"], "backend": "local"}
    result = served.post("/api/execute", json=body).json()
    assert (result["status"], "Paris" in result["stdout"]) == ("success", True), result


def test_agent_finds_the_packages_that_are_installed_beside_the_product(
    served: httpx.Client,
) -> None:
    code = "import beside_the_product; print(beside_the_product.WORKS)"
    result = served.post("/api/execute", json={"code": code, "task": "x"}).json()
    assert result["stdout"] == "True\n", result
