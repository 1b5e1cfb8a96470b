"""Metrics and traces: standard names, limited cardinality, and no prompts or keys."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from server.gateway.model_call import ModelCall
from server.observability.metrics import OUTCOMES, model_label, outcome_of
from tests.support.api_client import execute
from tests.support.serving import ServerFactory
from tests.support.upstream import Answer, Received, Upstream, message, scripted

OPS = Path(__file__).resolve().parents[3] / "ops"
KEY = "canary-key-" + "0123456789"
PROMPT = "a prompt that must not be in any trace"
AGENT = (
    "import anthropic\n"
    "client = anthropic.Anthropic(max_retries=0)\n"
    "for model in ('claude-sonnet-5-5', 'claude-made-up'):\n"
    "    client.messages.create(model=model, max_tokens=9,"
    f" messages=[{{'role': 'user', 'content': {PROMPT!r}}}])\n"
)
JOINING = AGENT.replace(
    "Anthropic(max_retries=0)",
    "Anthropic(max_retries=0, default_headers={'traceparent': PARENT})",
).replace(
    "import anthropic\n", "import anthropic\nPARENT = '00-' + 'ab' * 16 + '-' + 'cd' * 8 + '-01'\n"
)


def replying(_: Received) -> Answer:
    return Answer(headers={"Content-Type": "application/json"}, body=message("hi"))


def promtool(*arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["promtool", *arguments], check=False, input=stdin, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# ---------------------------------------------------------------- metrics


@pytest.fixture(scope="module")
def metrics(serve_all: ServerFactory) -> str:
    """Return the text of /metrics after a run with two calls."""
    with scripted(replying) as upstream:
        server = serve_all(ANTHROPIC_API_KEY=KEY, AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url)
        with server.client() as client:
            assert execute(client, AGENT)["status"] == "success"
            text: str = client.get("/metrics").text
    return text


@pytest.mark.matrix
def test_calls_tokens_cost_and_times_are_counted_by_model_and_outcome(metrics: str) -> None:
    who = 'backend="provider",model="claude-sonnet-5-5"'
    for line in (
        rf'model_calls_total{{{who},outcome="ok",provider="anthropic"}} 1\.0',
        r'model_tokens_total{backend="provider",kind="output",model="claude-sonnet-5-5",'
        r'provider="anthropic"} 5\.0',
        rf'model_cost_usd_total{{{who},provider="anthropic"}} 5\.6',
        rf'model_call_duration_seconds_count{{{who},outcome="ok",provider="anthropic"}} 1\.0',
        r'model_calls_unpriced_total{backend="provider",model="other",provider="anthropic"} 1\.0',
    ):
        assert re.search("agent_builder_" + line, metrics), line
    assert "claude-made-up" not in metrics  # an agent may name any


def test_refusals_by_a_budget_of_the_day_are_counted_from_zero(metrics: str) -> None:
    for kind in ("usd", "tokens", "calls"):
        assert f'agent_builder_budget_limits_total{{cap="day_{kind}"}} 0.0' in metrics


def test_promtool_finds_nothing_wrong_with_the_metrics(metrics: str) -> None:
    found = promtool("check", "metrics", stdin=metrics)
    ours = [line for line in found.splitlines() if line.startswith("agent_builder")]
    assert ours == []


def test_every_metric_that_dashboard_and_alerts_use_is_there(metrics: str) -> None:
    known = set(re.findall(r"^# TYPE (\S+) ", metrics, re.MULTILINE))
    known |= {name + end for name in known for end in ("_bucket", "_count", "_sum")}
    text = (OPS / "dashboard.json").read_text() + (OPS / "alerts.yml").read_text()
    used = set(re.findall(r"\bagent_builder_[a-z_]+", text))
    assert used
    assert used <= known


def test_rules_are_valid_and_fire_when_they_should() -> None:
    promtool("check", "rules", str(OPS / "alerts.yml"))
    promtool("test", "rules", str(OPS / "alerts_test.yml"))
    promtool("check", "config", str(OPS / "prometheus.yml"))


def test_dashboards_panels_do_not_overlap() -> None:
    panels = json.loads((OPS / "dashboard.json").read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"status": 200}, "ok"),
        ({"status": 200, "error": "client_disconnected"}, "disconnected"),
        ({"status": 402, "error": "billing_error", "refused": True}, "refused"),
        ({"status": 429, "error": "rate_limit_error", "refused": True}, "refused"),
        ({"status": 503, "error": "api_error", "refused": True}, "refused"),
        ({"status": 200, "error": "cut: TimeoutError"}, "cut"),
        ({"status": 200, "error": "budget"}, "cut"),
        ({"status": 429}, "rejected"),
        ({"status": 403, "error": "permission_error"}, "rejected"),
        ({"status": 529}, "failed"),
        ({"status": 502, "error": "api_error"}, "failed"),
        ({"error": "gateway_failed"}, "failed"),
    ],
)
def test_outcomes_are_few(facts: dict[str, Any], outcome: str) -> None:
    assert outcome_of(ModelCall(operation="chat", provider="anthropic", **facts)) == outcome
    assert outcome in OUTCOMES


POSTING = """\
import os
import urllib.error
import urllib.request

for body in (b'{', b'{"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": []}'):
    url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
    headers = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "content-type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(url, body, headers))
    except urllib.error.HTTPError as error:
        error.read()  # or the agent would have disconnected
        print(error.code)
import anthropic
"""


def test_call_that_the_gateway_refuses_is_not_counted_as_rejected_by_the_provider(
    serve: ServerFactory,
) -> None:
    """One call gets a 400 of the gateway, the other one a 400 of the provider."""
    with scripted(lambda _: Answer(400, body=b"{}")) as upstream:
        server = serve(AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url, ANTHROPIC_API_KEY=KEY)
        with server.client() as client:
            assert execute(client, POSTING)["stdout"] == "400\n400\n"
            metrics = client.get("/metrics").text
    counted = re.findall(r'model_calls_total\{backend="(\w+)",.*?outcome="(\w+)",.*', metrics)
    assert sorted(counted) == [("provider", "refused"), ("provider", "rejected")]
    assert len(upstream.received) == 1


def test_model_that_is_not_in_the_catalog_has_one_label() -> None:
    assert model_label("anthropic", "x" * 200) == model_label("anthropic", None) == "other"
    llama = "meta-llama/Llama-3.3-70B-Instruct"
    assert model_label("huggingface", f"{llama}:groq") == llama


# ---------------------------------------------------------------- traces


def spans_of(collector: Upstream) -> list[Span]:
    found: list[Span] = []
    for request in collector.received:
        assert request.path == "/v1/traces"
        exported = ExportTraceServiceRequest.FromString(request.body)
        for resource in exported.resource_spans:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            assert names["service.name"] == "llm-agent-builder"
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def attributes(span: Span) -> dict[str, Any]:
    values = ((item.key, item.value) for item in span.attributes)
    return {key: getattr(value, value.WhichOneof("value") or "") for key, value in values}


class Traces(NamedTuple):
    """The spans of a run of AGENT and of one of JOINING, and of the calls of both."""

    plain: Span
    joining: Span
    calls: list[Span]


@pytest.fixture(scope="module")
def traces(serve_all: ServerFactory) -> Traces:
    with scripted(replying) as upstream, scripted(lambda _: Answer()) as collector:
        server = serve_all(
            ANTHROPIC_API_KEY=KEY,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        )
        with server.client() as client:
            ids = [execute(client, code)["run_id"] for code in (AGENT, JOINING)]
            states = [client.get(f"/api/runs/{run_id}").json()["status"] for run_id in ids]
        server.stop()
        assert states == ["success"] * 2
        sent = b"".join(request.body for request in collector.received)
        assert PROMPT.encode() not in sent
        assert KEY.encode() not in sent
        spans = spans_of(collector)
    runs = {attributes(span).get("agent_builder.run.id"): span for span in spans}
    calls = [span for span in spans if span.name != "invoke_agent"]
    return Traces(runs[ids[0]], runs[ids[1]], calls)


def test_run_is_a_span_with_its_calls_below_it(traces: Traces) -> None:
    run = traces.plain
    calls = [span for span in traces.calls if span.parent_span_id == run.span_id]
    assert run.name == "invoke_agent"
    assert {span.name for span in calls} == {"chat claude-sonnet-5-5", "chat claude-made-up"}
    assert {span.trace_id for span in calls} == {run.trace_id}
    assert attributes(run)["agent_builder.run.status"] == "success"
    [call] = [span for span in calls if span.name == "chat claude-sonnet-5-5"]
    found = attributes(call)
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.provider.name"] == "anthropic"
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (3, 5)
    assert found["agent_builder.cost_usd"] == pytest.approx(0.000056)
    assert run.start_time_unix_nano <= call.start_time_unix_nano < call.end_time_unix_nano


def test_call_joins_the_trace_that_the_sdk_sends_and_links_to_its_run(traces: Traces) -> None:
    run = traces.joining
    calls = [span for span in traces.calls if span.trace_id.hex() == "ab" * 16]
    assert len(calls) == 2
    assert len(traces.calls) == 4
    for call in calls:
        assert call.name.startswith("chat")
        assert call.parent_span_id.hex() == "cd" * 8
        assert call.links[0].span_id == run.span_id


@pytest.mark.matrix
def test_runs_are_unharmed_without_an_endpoint_and_by_one_that_is_down(
    serve: ServerFactory,
) -> None:
    with scripted(replying) as upstream:
        for endpoint in ("", "http://127.0.0.1:9"):
            server = serve(
                ANTHROPIC_API_KEY=KEY,
                AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
                OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            )
            with server.client() as client:
                assert execute(client, AGENT)["status"] == "success"
            assert server.stop() in {0, 130, -2}
