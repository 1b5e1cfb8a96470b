"""The process of the built-in local model: llama.cpp's own server, on its own loopback port.

Runs as a script with an empty environment; the arguments are the model file, its name, the
verbosity and the server's process id. It reads a key from the first line of standard input, prints
its URL on one line, and ends at the end of its input. It also ends if the server ends while it is
loading.
"""

import ctypes
import os
import signal
import sys

CONTEXT = 4096
SLOTS = 2
_PR_SET_PDEATHSIG = 1


def end_with(server: int) -> None:
    """Let the kernel kill this process when process `server` ends; exit if it has already ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != server:
        sys.exit(1)


def main() -> None:
    """Load the model, print its URL, and serve until standard input ends."""
    path, name, verbosity, server_pid = sys.argv[1:]
    end_with(int(server_pid))
    import xllamacpp  # noqa: PLC0415 - slow, and the server may end meanwhile

    key = sys.stdin.readline().strip()
    if not key:  # without a key, the server would accept any client
        sys.exit(1)
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = {name}
    params.n_ctx = CONTEXT * SLOTS
    params.n_parallel = SLOTS
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    params.sampling.temp = 0
    params.sampling.penalty_repeat = 1.05  # without it, a model this small repeats itself
    # One core stays free for the server and the agents: llama.cpp's threads spin while they wait
    # for each other, so a thread that shares its core makes all of them many times slower.
    threads = max(1, (os.cpu_count() or 2) - 1)
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.verbosity = int(verbosity)
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
