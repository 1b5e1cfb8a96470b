#!/usr/bin/env bash
# Run the server and Vite with automatic reloading; if one ends, the other is stopped.
set -euo pipefail

bin=$1
"$bin/python" -m uvicorn server.main:app --port 7860 --reload \
    --reload-dir server --reload-dir llm_agent_builder &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
echo "page: http://localhost:5173 (Vite), server: http://127.0.0.1:7860"
npm --prefix frontend run --silent dev
