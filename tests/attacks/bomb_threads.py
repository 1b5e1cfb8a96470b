"""Starts as many threads as it can."""

import threading
import time

threading.stack_size(65536)
gate = threading.Event()
started = 0
try:
    while started < 5000:
        threading.Thread(target=gate.wait, daemon=True).start()
        started += 1
except RuntimeError as error:
    print("refused after", started, error)
time.sleep(0.5)
