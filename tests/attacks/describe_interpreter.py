"""Prints the state of the interpreter: two runs must print the same, whatever ran in between."""

import builtins
import gc
import json
import os
import signal
import sys

umask = os.umask(0o077)
handlers = [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())]
print(
    json.dumps(
        {
            "planted": hasattr(builtins, "planted") or "planted" in sys.modules,
            "modules": sorted(set(sys.modules) & {"server", "poisoned"}),
            "environment": sorted(set(os.environ) - {"PORT"}),
            "path": os.environ["PATH"],
            "umask": umask,
            "gc": gc.isenabled(),
            "recursion": sys.getrecursionlimit(),
            "hooks": [
                sys.excepthook is sys.__excepthook__,
                sys.unraisablehook is sys.__unraisablehook__,
            ],
            "finders": len(sys.meta_path),
            "handlers": handlers,
            "mask": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
            "argv": sys.argv[:2],
            "files": sorted(os.listdir(".")),
            "json": json.loads("[1]"),
            "site": sorted(name for name in sys.modules if "customize" in name),
            "descriptors": 3 if not os.path.exists("/proc/self/fd/3") else 4,
        },
        sort_keys=True,
    )
)
