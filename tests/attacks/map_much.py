"""Makes endless mappings in several processes: reading them takes the supervisor long.

Task: how many processes. Neighbouring mappings differ, so that the kernel can't join them.
"""

import ctypes
import os
import sys
import time

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
read, write = os.pipe()
count = int(sys.argv[2])
for _ in range(count):
    if os.fork() == 0:
        for number in range(60000):
            libc.mmap(None, 4096, 1 + 2 * (number & 1), 0x22, -1, 0)
        os.write(write, b"x")
        time.sleep(60)
        os._exit(0)
for _ in range(count):
    os.read(read, 1)
time.sleep(5)
print("has it all")
