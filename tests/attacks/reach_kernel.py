"""Makes system calls that no agent needs.

Their arguments make them harmless if they are allowed: the kernel then returns another error than
EPERM (EINVAL, EBADF, EFAULT ...), or changes this process only.
"""

import ctypes
import errno
import platform

libc = ctypes.CDLL(None, use_errno=True)
COLUMN = {"x86_64": 0, "aarch64": 1}[platform.machine()]
CALLS = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "mount_setattr": (442, 442),
    "bpf": (321, 280),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "open_tree_attr": (467, 467),
    "file_getattr": (468, 468),
    "file_setattr": (469, 469),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "kexec_load": (246, 104),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "seccomp": (317, 277),
    "migrate_pages": (256, 238),
    "openat2": (437, 437),
    "statmount": (457, 457),
    "cachestat": (451, 451),
    "vhangup": (153, 58),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "personality": (135, 92),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "inotify_init1": (294, 26),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
}
MINUS_ONE = ctypes.c_long(-1)
for name, numbers in CALLS.items():
    ctypes.set_errno(0)
    # -1 is never a valid address, descriptor or size. Calls that take flags first get 0.
    first = 0 if name in {"unshare", "personality", "keyctl", "userfaultfd"} else MINUS_ONE
    # Without IPC_CREAT, so that no queue is made that would outlive it.
    rest = [0] * 5 if name == "msgget" else [MINUS_ONE] * 5
    result = libc.syscall(numbers[COLUMN], first, *rest)
    if result >= 0 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        print(name)
CLONE_NEWUSER, SIGCHLD = 0x10000000, 17
pid = libc.syscall((56, 220)[COLUMN], CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    libc._exit(0)
if pid > 0:
    print("made a user namespace")
ctypes.set_errno(0)
libc.syscall(435, None, 0)  # EINVAL if the kernel has it
if ctypes.get_errno() != errno.ENOSYS:
    print("clone3")
