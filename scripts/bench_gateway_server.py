"""The gateway that its benchmark measures, as a process of its own: prints its ports and tokens."""

from __future__ import annotations

import argparse
import asyncio
import json

from prometheus_client import CollectorRegistry

from llm_agent_builder.providers import ProviderEnum
from server.gateway.gateway import Gateway, ModelCall, Upstream, preload_prices
from server.observability.metrics import RunMetrics
from server.runs.usage_totals import UsageTotals
from server.secret import Secret


async def serve_gateway(upstream: str, grants: int) -> None:
    """Run the gateway, which counts calls like a server; print its ports and tokens."""
    metrics, tally = RunMetrics(CollectorRegistry()), UsageTotals()

    def on_call(call: ModelCall) -> None:
        tally.add(call)
        metrics.call(call)

    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", upstream, Secret("bench"))

    gateway = Gateway(environ={})
    await gateway.start()
    await preload_prices()
    opened = [await gateway.open(policy, on_call) for _ in range(grants)]
    print(json.dumps([[grant.port, grant.token.reveal()] for grant in opened]), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("upstream", help="address of the provider")
    parser.add_argument("--grants", type=int, default=1, help="number of runs that may call")
    options = parser.parse_args()
    asyncio.run(serve_gateway(options.upstream, options.grants))


if __name__ == "__main__":
    main()
