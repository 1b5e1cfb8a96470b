"""doctor as a real process: its checks, its attacks, and the redaction of its report."""

from __future__ import annotations

import os
import pwd
import re
import socket
from pathlib import Path
from typing import Any, get_args

import pytest

from llm_agent_builder.providers import PROVIDERS
from server.diagnostics.machine import package_versions
from server.diagnostics.redaction import Redactor
from server.keys import KeySource
from server.sandbox import Sandbox
from server.settings import PREFIX, Settings, load_settings
from tests.support.serving import call

CANARY = "canary0x5eed"
TEXT_SETTINGS = {
    "host": f"host.{CANARY}.example",
    "token": f"token-{CANARY}",
    "allowed_hosts": f"one.{CANARY}.example,two.{CANARY}.example",
    "data_dir": f"{CANARY}/data",
    "database_url": f"postgresql://user:{CANARY}@db.example/runs",
    "local_model_path": f"/models/{CANARY}.gguf",
    "anthropic_upstream": f"https://anthropic.{CANARY}.example",
    "huggingface_upstream": f"https://huggingface.{CANARY}.example",
    "egress_allow": f"egress.{CANARY}.example:443",
}


def takes_text(annotation: Any) -> bool:
    return annotation in (str, Path) or any(map(takes_text, get_args(annotation)))


def section(report: str, title: str) -> dict[str, str]:
    """Return the facts of one part of a report."""
    body = report.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^- (.+?): `(.*)`$", body, re.MULTILINE))


def active_layers(tier: str | None = None) -> set[str]:
    report = Sandbox.probe(force=tier, allow_weak=True).report
    return {layer.name for layer in report.layers if layer.active}


# ---------------------------------------------------------------- doctor


def test_doctor_names_layers_keys_and_the_local_model_but_no_key(tmp_path: Path) -> None:
    dead = {"AGENT_BUILDER_MODEL_SERVERS": "http://127.0.0.1:9/v1"}
    done = call(tmp_path, "doctor", ANTHROPIC_API_KEY=CANARY, **dead)
    assert done.returncode == 0, done.stdout
    assert "ok  sandbox tier: " in done.stdout
    assert "ok  key for Anthropic" in done.stdout
    assert "--  key for Hugging Face: set HUGGINGFACEHUB_API_TOKEN" in done.stdout
    assert "ok  local model answers" in done.stdout
    assert "--  model server http://127.0.0.1:9/v1 answers: no answer from" in done.stdout
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.matrix
def test_doctor_shows_why_the_run_history_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    done = call(tmp_path, "doctor", AGENT_BUILDER_DATABASE_URL=f"sqlite:///{tmp_path}/data")
    assert done.returncode == 1
    assert "--  run history is writable: the run history can't be used: its" in done.stdout


@pytest.mark.matrix
def test_doctor_makes_no_run_history(tmp_path: Path) -> None:
    done = call(tmp_path, "doctor")
    assert "ok  run history is writable" in done.stdout
    assert list(tmp_path.rglob("*.sqlite3")) == []


@pytest.mark.matrix
def test_doctor_names_variables_that_are_no_settings(tmp_path: Path) -> None:
    done = call(tmp_path, "doctor", AGENT_BUILDER_DAY_BUDGET_USD="5")
    assert "AGENT_BUILDER_DAY_BUDGET_USD is not a setting" in done.stdout


def test_doctor_fails_where_no_agent_can_be_run(tmp_path: Path) -> None:
    done = call(tmp_path, "doctor", AGENT_BUILDER_SANDBOX_TIER="limits")
    assert done.returncode == 1
    assert "AGENT_BUILDER_ALLOW_WEAK_SANDBOX" in done.stdout


@pytest.mark.matrix
def test_doctor_explains_how_to_install_a_missing_local_model(tmp_path: Path) -> None:
    done = call(tmp_path, "doctor", AGENT_BUILDER_LOCAL_MODEL_PATH="missing.gguf")
    assert "AGENT_BUILDER_LOCAL_MODEL_PATH" in done.stdout


# ---------------------------------------------------------------- doctor --attack


def test_attack_shows_twenty_probes_and_a_blocked_one_for_each_active_layer(tmp_path: Path) -> None:
    done = call(tmp_path, "doctor", "--attack")
    assert done.returncode == 0, done.stdout
    probes = re.findall(r"^(?:ok|--)  ([\w ]+): .+? \[(.+?)\]", done.stdout, re.MULTILINE)
    assert len(probes) >= 20
    assert {layer for word, layer in probes if word == "blocked"} == active_layers()
    assert "NOT BLOCKED" not in done.stdout
    assert f"{len(probes)} attacks: " in done.stdout


@pytest.mark.matrix
def test_attack_fails_with_only_limits_and_lists_what_is_not_blocked(tmp_path: Path) -> None:
    weak = {"AGENT_BUILDER_SANDBOX_TIER": "limits", "AGENT_BUILDER_ALLOW_WEAK_SANDBOX": "1"}
    done = call(tmp_path, "doctor", "--attack", **weak)
    assert done.returncode == 1
    assert "--  not covered by this tier: read a file outside [landlock]" in done.stdout
    assert "blocked: open hundreds of files [rlimits]" in done.stdout


# ---------------------------------------------------------------- doctor --report


ALWAYS_SET = {"AGENT_BUILDER_REFRESH_HOURS": "0.0", "AGENT_BUILDER_PRELOAD": "False"}
"""By the environment that tests start from."""


def test_settings_that_take_text_are_all_given_a_canary() -> None:
    found = {name for name, field in Settings.model_fields.items() if takes_text(field.annotation)}
    assert found == set(TEXT_SETTINGS)


def test_report_holds_no_canary_of_a_setting_key_folder_or_name(tmp_path: Path) -> None:
    place = tmp_path / CANARY
    temporary = place / "tmp"
    temporary.mkdir(parents=True)
    texts = {PREFIX + name.upper(): value for name, value in TEXT_SETTINGS.items()}
    texts["AGENT_BUILDER_DATA_DIR"] = str(place / "data")
    names = dict.fromkeys(("USER", "LOGNAME", "HOSTNAME"), f"name-{CANARY}")
    first, second = (provider.key_env for provider in PROVIDERS.values())
    (place / ".env").write_text(f"{second}=key-{CANARY}\n")
    more = {"HOME": str(place), "TMPDIR": str(temporary), first: f"key-{CANARY}"}
    done = call(place, "doctor", "--report", **texts, **names, **more)

    assert done.returncode == 0, done.stderr
    assert CANARY.lower() not in done.stdout.lower()
    assert str(tmp_path) not in done.stdout
    settings = section(done.stdout, "Changed settings")
    assert settings == {**dict.fromkeys(texts, "(masked)"), **ALWAYS_SET}
    assert set(section(done.stdout, "Keys").values()) == {"yes"}
    # The fixed text of the report names the file, and the replacement shows the redaction.
    works = section(done.stdout, "What works")
    assert works["SDKs load in the sandbox"] == "yes"
    assert "([value of local_model_path])" in works["local model answers"]


@pytest.mark.matrix
def test_report_shows_numbers_choices_and_blocked_attacks(tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    choices = {"AGENT_BUILDER_LOG_LEVEL": "ERROR", "AGENT_BUILDER_KEEP_RUNS": "7"}
    choices["AGENT_BUILDER_SANDBOX_TIER"] = "landlock"
    done = call(tmp_path, "doctor", "--report", str(file), **choices)

    assert done.returncode == 0, done.stderr
    report = file.read_text("utf-8")
    shown = section(report, "Changed settings")
    assert shown == {**choices, "AGENT_BUILDER_DATA_DIR": "(masked)", **ALWAYS_SET}
    versions = section(report, "Versions")
    assert versions.items() >= dict(package_versions()).items()
    assert {"anthropic", "huggingface_hub", "xllamacpp"} <= set(versions)
    sandbox = section(report, "Sandbox")
    assert sandbox["tier"] == "landlock"
    assert {"Landlock ABI", "cgroup version", "user namespaces", "bwrap"} <= set(sandbox)
    layers = section(report, "Layers")
    assert {name for name, said in layers.items() if said == "active"} == active_layers("landlock")
    assert all(re.fullmatch(r"active|not active: .+", said) for said in layers.values())
    attacks = section(report, "Attacks")
    assert len(attacks) >= 20
    assert attacks["read a file outside (landlock)"] == "blocked"
    assert attacks["find out that a file exists (private root)"].startswith(
        "not covered by this tier: "
    )
    assert section(report, "What works")["local model answers"] == "yes"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_report_replaces_nothing_that_is_there(tmp_path: Path, kind: str) -> None:
    there = tmp_path / "report.md"
    if kind == "file":
        there.write_text("mine")
    else:
        there.symlink_to(tmp_path / "elsewhere")
    done = call(tmp_path, "doctor", "--report", "report.md")
    assert done.returncode == 2
    assert "report.md already exists" in done.stderr
    assert there.is_symlink() == (kind == "link")
    assert there.read_text() == "mine" if kind == "file" else not there.exists()


def test_reasons_lose_folders_names_hosts_and_addresses() -> None:
    environ = {"HOME": "/home/jo", "USER": "jo", "LOGNAME": "joanna.doe", "HOSTNAME": "box.acme"}
    redactor = Redactor(load_settings(), KeySource({"ANTHROPIC_API_KEY": "sk-1"}), environ)
    account = pwd.getpwuid(os.geteuid())
    reason = (
        f"mount /home/jo/work/secret.txt: refused; '/data/acme/plan.txt' is not there;\n"
        f"{account.pw_dir}/x, see http://intranet.acme/; {socket.gethostname()} is full "
        f"(/proc/sys/user, {Path(__file__).resolve().parents[3]}/server), "
        "uid of jo (xjoanna.doex) on box.acme or box, job john, sk-1"
    )
    assert redactor.clean(reason) == (
        "mount [home]: refused; '[path]' is not there; "
        "[home], see [url] [host] is full (/proc/sys/user, [installation]), "
        "uid of [user] (x[user]x) on [host] or [host], job john, [key]"
    )
