"""run and serve, as real processes."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from llm_agent_builder import AgentBuilder
from tests.support.serving import ServerFactory, bare_environment, call, command

TASK = "What is the capital of France?"
ROOT = Path(__file__).resolve().parents[3]


def program(folder: Path, code: str) -> str:
    (folder / "agent.py").write_text(code)
    return "agent.py"


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize("provider", ["anthropic", "huggingface"])
def test_run_answers_by_the_local_model_without_a_key(tmp_path: Path, provider: str) -> None:
    source = AgentBuilder().build_agent(
        "Geo", "You are a helpful assistant.", TASK, provider=provider, stream=True
    )
    done = call(tmp_path, "run", program(tmp_path, source), "--task", TASK, "--backend", "local")
    assert (done.returncode, "Paris" in done.stdout) == (0, True)
    assert "built-in model" in done.stderr


def test_recording_is_named_and_replaces_an_earlier_one_by_force_alone(tmp_path: Path) -> None:
    (tmp_path / "calls.json").write_text("earlier")
    run = ("run", program(tmp_path, "print('ran')"), "--task", "x", "--record", "calls.json")
    done = call(tmp_path, *run)
    assert (done.returncode, done.stdout) == (2, "")
    assert "calls.json already exists: overwrite it with --force" in done.stderr
    assert (tmp_path / "calls.json").read_text() == "earlier"
    done = call(tmp_path, *run, "--force")
    assert (done.returncode, done.stderr) == (0, "[recorded: calls.json]\n")
    assert json.loads((tmp_path / "calls.json").read_text())["calls"] == []


def test_recording_in_a_folder_that_is_not_there_is_refused_before_the_run(tmp_path: Path) -> None:
    file = program(tmp_path, "print('ran')")
    done = call(tmp_path, "run", file, "--task", "x", "--record", "missing/calls.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the folder missing does not exist: create it or choose another" in done.stderr


@pytest.mark.matrix
def test_unwritable_recording_is_an_error_with_the_reason(tmp_path: Path) -> None:
    file = program(tmp_path, "print('ran')")
    done = call(tmp_path, "run", file, "--task", "x", "--record", "/dev/full")
    assert (done.returncode, done.stdout) == (1, "ran\n")
    assert "/dev/full was not written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_of_a_failing_program_exits_1_and_tells_the_streams_apart(tmp_path: Path) -> None:
    file = program(tmp_path, "import sys; print('out'); sys.exit(3)")
    done = call(tmp_path, "run", file, "--task", "x")
    assert (done.returncode, done.stdout) == (1, "out\n")
    assert "[error: exit code 3]" in done.stderr


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize("code", ["", "def later(): import anthropic\n"])
def test_run_preloads_only_the_imports_of_its_program(tmp_path: Path, code: str) -> None:
    look = "print('pydantic_core' in open('/proc/self/maps').read())\n"  # the SDK loads it
    done = call(
        tmp_path, "run", program(tmp_path, code + look), "--task", "x", AGENT_BUILDER_PRELOAD="1"
    )
    assert done.stdout == f"{'anthropic' in code}\n", done.stderr


def test_run_names_the_problem_of_its_arguments(tmp_path: Path) -> None:
    assert call(tmp_path, "run", "missing.py", "--task", "x").returncode == 2
    assert call(tmp_path, "run", program(tmp_path, "")).returncode == 2
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    done = call(tmp_path, "run", "binary.py", "--task", "x")
    assert (done.returncode, "not UTF-8" in done.stderr) == (2, True)


def test_run_of_a_file_that_is_not_python_names_the_line(tmp_path: Path) -> None:
    done = call(tmp_path, "run", program(tmp_path, "x = 1\ndef f(:\n"))
    assert done.returncode == 2
    assert "Error: agent.py is not Python: invalid syntax (line 2)" in done.stderr


def test_model_server_without_a_list_is_noted(tmp_path: Path) -> None:
    done = call(tmp_path, "models", AGENT_BUILDER_MODEL_SERVERS="http://127.0.0.1:9/v1")
    assert done.returncode == 0
    assert "http://127.0.0.1:9/v1: no model list yet" in done.stderr


def test_run_prints_that_the_built_in_model_replaces_an_unlisted_server(tmp_path: Path) -> None:
    code = 'import huggingface_hub\nBASE_URL = "http://127.0.0.1:9/v1"\n'
    done = call(tmp_path, "run", program(tmp_path, code), "--task", "x")
    assert "[http://127.0.0.1:9/v1 is not in AGENT_BUILDER_MODEL_SERVERS; add it to" in done.stderr
    assert "; using the built-in model instead]" in done.stderr


def test_run_names_no_server_that_the_providers_sdk_does_not_use(tmp_path: Path) -> None:
    code = 'import anthropic\nBASE_URL = "http://127.0.0.1:9/v1"\n'
    done = call(tmp_path, "run", program(tmp_path, code), "--task", "x")
    assert done.returncode == 0
    assert "127.0.0.1:9" not in done.stderr


def test_run_names_a_limit_in_plain_words(tmp_path: Path) -> None:
    code = "with open('a', 'wb') as file:\n    while True: file.write(bytes(2**20))\n"
    done = call(tmp_path, "run", program(tmp_path, code), "--task", "x")
    assert done.returncode == 1
    assert "[limit reached: disk space (64 MiB)]" in done.stderr


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--budget", "inf", "finite number"),
        ("--allow-host", "foo", "'foo' is not HOST:PORT or provider-tools"),
        ("--allow-host", "*.x.org", "'*.x.org' is not HOST:"),
    ],
)
def test_run_names_the_option_whose_value_can_not_be(
    tmp_path: Path, option: str, value: str, said: str
) -> None:
    done = call(tmp_path, "run", program(tmp_path, ""), "--task", "x", option, value)
    assert done.returncode == 2
    assert f"Error: {option}: " in done.stderr
    assert said in done.stderr


def test_run_with_a_provider_without_a_key_is_an_error_with_its_variable(tmp_path: Path) -> None:
    file = program(tmp_path, "import anthropic")
    done = call(tmp_path, "run", file, "--task", "x", "--backend", "provider")
    assert done.returncode == 1
    assert "ANTHROPIC_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_without_a_sandbox_fails_with_a_remedy(tmp_path: Path) -> None:
    done = call(
        tmp_path,
        *("run", program(tmp_path, "print(1)"), "--task", "x"),
        AGENT_BUILDER_SANDBOX_TIER="limits",
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "AGENT_BUILDER_ALLOW_WEAK_SANDBOX" in done.stderr


def test_serve_without_a_token_is_refused_beyond_loopback(tmp_path: Path) -> None:
    done = call(tmp_path, "serve", "--host", "0.0.0.0", "--no-token")
    assert done.returncode == 2
    assert "loopback only" in done.stderr


def test_serve_on_a_used_port_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = call(tmp_path, "serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_with_a_bad_setting_names_it(tmp_path: Path) -> None:
    done = call(tmp_path, "serve", AGENT_BUILDER_MAX_CONCURRENT_RUNS="many")
    assert done.returncode == 1
    assert "AGENT_BUILDER_MAX_CONCURRENT_RUNS" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_that_can_not_keep_runs_fails_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    done = call(tmp_path, "serve", "--port", "0")
    assert done.returncode == 1
    assert "run history" in done.stderr


def test_serve_makes_a_token_beyond_loopback_and_ends_well_on_interrupt(
    serve: ServerFactory,
) -> None:
    server = serve("--host", "0.0.0.0")
    assert len(server.url.partition("#token=")[2]) > 20
    assert server.stop() == 0


def test_unwritable_output_is_an_error_of_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("schema"),
            cwd=tmp_path,
            env=bare_environment(tmp_path, PYTHONPATH=str(ROOT)),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "Error: [Errno 28] No space left on device\n")
