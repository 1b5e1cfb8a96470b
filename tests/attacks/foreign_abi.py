"""Makes system calls of other architectures, whose numbers mean other calls."""

import ctypes
import errno
import mmap
import os
import platform
import signal

if platform.machine() == "x86_64":
    libc = ctypes.CDLL(None, use_errno=True)
    X32 = 0x40000000
    if libc.syscall(X32 | 39) == os.getpid() or ctypes.get_errno() not in (
        errno.EPERM,
        errno.ENOSYS,
    ):
        print("x32 answers")
    # mov eax, 20 (getpid in the i386 table); int 0x80; ret
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    child = os.fork()  # without an i386 table in the kernel, this is a fatal fault
    if child == 0:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        os._exit(0 if ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid() else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        print("i386 answers")
