"""A small MCP server: `mcp_server.py` on its standard streams, `mcp_server.py http` on loopback.

By HTTP it prints its URL when it answers, and ends when its standard input does.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

import uvicorn
from mcp.server.fastmcp import FastMCP

KIND = "http" if "http" in sys.argv[1:] else "stdio"
server = FastMCP("scripted", stateless_http=True)


@server.tool(name=f"double_{KIND}")
def double(number: int) -> str:
    """Double a number."""
    if number < 0:
        raise ValueError("only what is there can be doubled")
    return str(2 * number)


@server.tool(name=f"look_{KIND}")
def look(name: str) -> str:
    """Look up a variable of the server's environment."""
    return os.environ.get(name, "not there")


def serve_http() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
    web = uvicorn.Server(config)
    threading.Thread(target=end_with_input, args=(web,), daemon=True).start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    web.run([listener])


def end_with_input(web: uvicorn.Server) -> None:
    sys.stdin.read()
    web.should_exit = True


if __name__ == "__main__":
    serve_http() if KIND == "http" else server.run()
