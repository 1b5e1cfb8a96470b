"""Make the docs that are derived from code: settings, command line, the schema of specs,
.env.example.

With --check: write nothing, exit 1 when one is out of date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from pydantic_core import PydanticUndefined

from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.spec.files import file_schema
from server.cli import cli
from server.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
MADE = "made by `make docs`; edit the code, not this"


OWN_KEY = PROVIDERS[ProviderEnum.HUGGINGFACE].own_key_variable
OWN_MODELS = f"""\
## Models of your own

A server that speaks OpenAI's protocol needs one line. Its models are listed by themselves, and a
Hugging Face agent of one of them calls that server:

```sh
{PREFIX}MODEL_SERVERS=http://localhost:11434/v1             # Ollama: no key
{PREFIX}MODEL_SERVERS="http://localhost:8000/v1 VLLM_KEY"   # the key is in VLLM_KEY
```

It gets the key of the variable named, or none; never your Hugging Face token. In the sandbox an
agent reaches only servers listed here. On your machine its file looks for the server's key in
`{OWN_KEY}`. A server's model takes the place of a hosted one of the same id.

`{PREFIX}EXTRA_MODELS` adds single models, for the command line too:

```sh
{PREFIX}EXTRA_MODELS="anthropic:claude-new=Claude New"
{PREFIX}EXTRA_MODELS="huggingface:qwen3:4b@http://localhost:11434/v1"
```
"""


def default_of(name: str) -> str:
    default = Settings.model_fields[name].default
    if default is PydanticUndefined or default is None or default == ():
        return ""
    return str(int(default)) if isinstance(default, bool) else str(default)


def settings_page() -> str:
    rows = [
        f"| `{PREFIX}{name.upper()}` | {f'`{default_of(name)}`' if default_of(name) else ''} "
        f"| {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    keys = [
        f"| `{'`, else `'.join(provider.key_variables)}` | | Key for {provider.label}. |"
        for provider in PROVIDERS.values()
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            f"<!-- {MADE} -->",
            "",
            "Environment variables; a file `.env` in the working directory is read too, and the",
            "environment wins over it. Settings are read at start. Keys are looked up for each",
            "model call, so a key added to `.env` works at once.",
            "",
            "| variable | default | meaning |",
            "| --- | --- | --- |",
            *rows,
            *keys,
            "",
            OWN_MODELS,
            "## Further variables",
            "",
            "`HTTPS_PROXY` and `NO_PROXY` are honoured on the way to the providers;",
            "`OTEL_EXPORTER_OTLP_ENDPOINT` has traces sent (with the extra `[otel]`).",
            "`SSL_CERT_FILE` or `REQUESTS_CA_BUNDLE` name further certificates to trust.",
            "",
        ]
    )


def env_example() -> str:
    lines = [f"# Copy to .env, which git ignores. ({MADE})", ""]
    lines += ["# Keys: only the server reads them; they never enter the sandbox."]
    lines += [f"{provider.key_env}=" for provider in PROVIDERS.values()]
    lines += ["", "# Settings, with their defaults"]
    for name, field in Settings.model_fields.items():
        lines += [f"# {field.description}", f"# {PREFIX}{name.upper()}={default_of(name)}"]
    return "\n".join([*lines, ""])


def command_help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=88, max_content_width=88)
    return command.get_help(context)


def cli_page() -> str:
    parts = [
        "# Command line",
        "",
        f"<!-- {MADE} -->",
        "",
        "Exit codes: 0 done, 1 it failed, 2 wrong usage.",
    ]
    program = "llm-agent-builder"
    commands: list[tuple[click.Command, str]] = [(cli, program)]
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        commands.append((command, f"{program} {name}"))
    for command, name in commands:
        parts += ["", f"## {name}", "", "```text", command_help(command, name), "```"]
    return "\n".join([*parts, ""])


def main() -> None:
    made = {
        "docs/settings.md": settings_page(),
        "docs/cli.md": cli_page(),
        "docs/agent-spec.schema.json": json.dumps(file_schema(), indent=2) + "\n",
        ".env.example": env_example(),
    }
    stale = []
    for name, text in made.items():
        path = ROOT / name
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, "utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"out of date: {', '.join(stale)}; run `make docs` and commit the result")


if __name__ == "__main__":
    main()
