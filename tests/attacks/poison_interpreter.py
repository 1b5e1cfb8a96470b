"""Changes everything it can in its interpreter and environment, to affect the next run."""

import atexit
import builtins
import gc
import json
import os
import random
import signal
import socket
import sys
import tempfile

builtins.planted = True
json.loads = json.dumps = lambda *a, **k: "poisoned"
socket.socket.connect = None
for name in ("ssl", "http", "email", "typing", "re"):
    sys.modules[name] = json
os.environ.update(
    PYTHONSTARTUP="/scratch/x", PLANTED="1", ANTHROPIC_BASE_URL="http://evil", PATH="/evil"
)
os.umask(0)
random.seed(1)
gc.disable()
gc.collect()
sys.setrecursionlimit(50)
sys.excepthook = sys.unraisablehook = lambda *a: None
sys.path[:] = ["/scratch/evil"]
sys.meta_path.insert(0, type("Finder", (), {"find_spec": staticmethod(lambda *a, **k: None)}))
sys.settrace(None)
sys.setprofile(None)
tempfile.tempdir = "/evil"
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
atexit.register(print, "left behind")
os.chdir("/")
sys.argv[:] = ["poisoned"]
