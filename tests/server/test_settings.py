"""Settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_agent_builder.errors import SettingsError
from llm_agent_builder.providers import ProviderEnum
from server.settings import load_settings, unknown_variables


def test_defaults_are_those_of_the_design() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert (settings.max_concurrent_runs, settings.max_queued_runs) == (4, 64)
    assert settings.token is None


def test_value_that_can_not_be_used_names_its_variable_and_not_the_value() -> None:
    with pytest.raises(SettingsError, match="AGENT_BUILDER_PORT") as caught:
        load_settings(port="canary")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"run_budget_usd": "abc"}, "AGENT_BUILDER_RUN_BUDGET_USD: must be a number"),
        ({"token": ""}, "AGENT_BUILDER_TOKEN: is empty; remove it to have a token generated"),
        ({"token": " \t"}, "AGENT_BUILDER_TOKEN: is empty; remove it to have a token generated"),
        ({"port": "x"}, "AGENT_BUILDER_PORT: must be a whole number"),
        ({"max_concurrent_runs": 0}, "AGENT_BUILDER_MAX_CONCURRENT_RUNS: must be at least 1"),
        (
            {"egress_allow": "x"},
            "AGENT_BUILDER_EGRESS_ALLOW: 'x' is not HOST:PORT or provider-tools",
        ),
    ],
)
def test_invalid_setting_is_an_error_with_the_expected_value(
    values: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**values)
    assert str(caught.value) == said


def test_misspelled_variable_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AGENT_BUILDER_TOKN=secret\nOTHER=1\n")
    environ = {"AGENT_BUILDER_DAY_BUDGET_USD": "5", "AGENT_BUILDER_PORT": "1", "BUILDER": "2"}
    said = unknown_variables(environ, tmp_path / ".env")
    assert said == [
        "AGENT_BUILDER_DAY_BUDGET_USD is not a setting, so it has no effect; "
        "did you mean AGENT_BUILDER_DAILY_BUDGET_USD?",
        "AGENT_BUILDER_TOKN is not a setting, so it has no effect; "
        "did you mean AGENT_BUILDER_TOKEN?",
    ]


def test_variable_like_no_setting_points_to_the_list() -> None:
    [said] = unknown_variables({"AGENT_BUILDER_" + "X" * 200: "1"}, Path("missing"))
    assert said.endswith("docs/settings.md lists them")
    assert len(said) < 160


def test_upstream_must_be_a_url() -> None:
    with pytest.raises(SettingsError, match="AGENT_BUILDER_ANTHROPIC_UPSTREAM"):
        load_settings(anthropic_upstream="ftp://x")
    assert (
        load_settings(anthropic_upstream="http://x/").upstream(ProviderEnum.ANTHROPIC) == "http://x"
    )


def test_allowed_hosts_are_split_at_commas() -> None:
    assert load_settings(allowed_hosts="A.example, b ,").allowed_hosts == ("a.example", "b")


def test_allowed_hosts_are_names_or_addresses_as_a_host_header_has_them() -> None:
    allowed = load_settings(allowed_hosts="192.0.2.7,[2001:DB8:0::1], my_box").allowed_hosts
    assert allowed == ("192.0.2.7", "2001:db8::1", "my_box")


@pytest.mark.parametrize(
    "host",
    [
        *("https://builder.example", "builder.example/", "*", "*.builder.example", "a b"),
        *("builder.example:7860", "192.0.2.7:80", "[2001:db8::1]:80", "fe:80", "a@b", ".a"),
    ],
)
def test_allowed_host_with_more_than_a_name_is_refused_with_an_example(host: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(allowed_hosts=f"localhost,{host}")
    assert str(caught.value) == (
        f"AGENT_BUILDER_ALLOWED_HOSTS: {host!r} is not a name or an address; omit scheme, "
        "port, path and wildcards, as in builder.example,192.0.2.7"
    )
