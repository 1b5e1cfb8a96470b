"""The process of the built-in local model: llama.cpp's own server, on a loopback port of its own.

Run as a script with an empty environment; the arguments are the model file, its name and the
verbosity. Reads a key from the first line of standard input, answers with one line, its URL, and
ends with its input.
"""

import os
import sys

import xllamacpp

CONTEXT = 4096
SLOTS = 2


def main() -> None:
    """Load the model, say where it is, serve until standard input ends."""
    path, name, verbosity = sys.argv[1:]
    key = sys.stdin.readline().strip()
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
    params.sampling.penalty_repeat = 1.05  # a model this small runs in circles without
    # A core is left to the server and the agents: llama.cpp's threads wait for one another
    # spinning, and a thread that has to share its core makes all of them many times slower.
    threads = max(1, (os.cpu_count() or 2) - 1)
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.verbosity = int(verbosity)
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
