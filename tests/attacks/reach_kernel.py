"""Calls into the kernel where no agent has business."""

import ctypes
import errno
import platform

libc = ctypes.CDLL(None, use_errno=True)
CALLS = {
    "x86_64": {
        "unshare": 272,
        "setns": 308,
        "mount": 165,
        "umount2": 166,
        "pivot_root": 155,
        "bpf": 321,
        "io_uring_setup": 425,
        "userfaultfd": 323,
        "perf_event_open": 298,
        "keyctl": 250,
        "open_by_handle_at": 304,
        "kexec_load": 246,
        "ptrace": 101,
        "process_vm_readv": 310,
        "init_module": 175,
        "reboot": 169,
        "swapon": 167,
    },
    "aarch64": {
        "unshare": 97,
        "setns": 268,
        "mount": 40,
        "umount2": 39,
        "pivot_root": 41,
        "bpf": 280,
        "io_uring_setup": 425,
        "userfaultfd": 282,
        "perf_event_open": 241,
        "keyctl": 219,
        "open_by_handle_at": 265,
        "kexec_load": 104,
        "ptrace": 117,
        "process_vm_readv": 270,
        "init_module": 105,
        "reboot": 142,
        "swapon": 224,
    },
}[platform.machine()]
for name, number in CALLS.items():
    ctypes.set_errno(0)
    result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    if result >= 0 or ctypes.get_errno() != errno.EPERM:
        print(name, result, errno.errorcode.get(ctypes.get_errno()))
CLONE_NEWUSER = 0x10000000
pid = libc.syscall(
    {"x86_64": 56, "aarch64": 220}[platform.machine()], CLONE_NEWUSER | 17, 0, 0, 0, 0
)
if pid >= 0:
    print("made a user namespace")
if libc.syscall(435, 0, 0) != -1 or ctypes.get_errno() != errno.ENOSYS:
    print("clone3 is there")
