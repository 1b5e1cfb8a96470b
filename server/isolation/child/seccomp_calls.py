"""System calls by name, with their numbers, and how a run's filter answers each of them.

Standard library only. Sources: arch/x86/entry/syscalls/syscall_64.tbl and
include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

Numbers = tuple[int | None, int | None]
"""On x86_64 and on aarch64; None if the architecture has no such call."""

CHECKED: dict[str, Numbers] = {
    "openat": (257, 56),
    "open": (2, None),
    "fcntl": (72, 25),
    "madvise": (28, 233),
    "ioctl": (16, 29),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "timer_create": (222, 107),
    "clone": (56, 220),
    "prctl": (157, 167),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "setsockopt": (54, 208),
    "socket": (41, 198),
    "socketpair": (53, 199),
}
"""Allowed or refused by their arguments; see `seccomp_rules.py`."""

OwnOnly = tuple[Numbers, tuple[tuple[int, int], ...]]
CHANGES_OWN_ONLY: tuple[OwnOnly, ...] = (
    ((302, 261), ((0, 0),)),  # prlimit64
    ((203, 122), ((0, 0),)),  # sched_setaffinity
    ((144, 119), ((0, 0),)),  # sched_setscheduler
    ((142, 118), ((0, 0),)),  # sched_setparam
    ((314, 274), ((0, 0),)),  # sched_setattr
    ((141, 140), ((0, 0), (1, 0))),  # setpriority: PRIO_PROCESS, 0
)
"""Calls that change a process: refused unless their arguments mean the caller itself, listed as
(argument, required value). PRIO_USER would change all processes of the user."""
ASKS_OWN_ONLY: tuple[OwnOnly, ...] = (
    ((121, 155), ((0, 0),)),  # getpgid
    ((124, 156), ((0, 0),)),  # getsid
    ((140, 141), ((0, 0), (1, 0))),  # getpriority
    ((145, 120), ((0, 0),)),  # sched_getscheduler
    ((143, 121), ((0, 0),)),  # sched_getparam
    ((315, 275), ((0, 0),)),  # sched_getattr
    ((148, 127), ((0, 0),)),  # sched_rr_get_interval
    ((252, 31), ((0, 1), (1, 0))),  # ioprio_get
    ((274, 100), ((0, 0),)),  # get_robust_list
)
"""Calls that read facts about a process, treated alike; for runs that share the host's process ids.

"""
ASKS_AFFINITY: OwnOnly = ((204, 123), ((0, 0),))
"""sched_getaffinity. pthread_getattr_np(3) works without it after ENOSYS, but fails after EPERM."""

NOT_THERE: dict[str, Numbers] = {
    "clone3": (435, 435),
    "openat2": (437, 437),
    "cachestat": (451, 451),
    "statmount": (457, 457),
    "listmount": (458, 458),
}
"""ENOSYS, as an older kernel answers. The flags of clone3 and openat2 are behind a pointer, which a
filter can't follow, and programs fall back to clone and openat; the others reveal facts about the
host's caches and mounts."""

NO_EFFECT: dict[str, Numbers] = {
    "sync": (162, 81),
    "syncfs": (306, 267),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "sync_file_range": (277, 84),
    "msync": (26, 227),
    "fadvise64": (221, 223),
    "readahead": (187, 213),
}
"""Succeed and do nothing. No file of a run outlives it, so flushing has no use; and on files that a
run may only read, these would flush or drop data that other processes of the host use."""

NO_EFFECT_ON_FILES: dict[str, Numbers] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
"""Landlock does not cover the modes, owners and times of files. Errors from these would break
copying files inside the scratch folder; so they succeed without effect."""

NOT_SUPPORTED: dict[str, Numbers] = {
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "getxattr": (191, 8),
    "lgetxattr": (192, 9),
    "fgetxattr": (193, 10),
    "listxattr": (194, 11),
    "llistxattr": (195, 12),
    "flistxattr": (196, 13),
    "getxattrat": (464, 464),
    "listxattrat": (465, 465),
}
"""Extended attributes, which Landlock does not cover either: ENOTSUP is the answer of a file system
without them."""

REFUSED: dict[str, Numbers] = {
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "seccomp": (317, 277),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_destroy": (207, 1),
    "io_getevents": (208, 4),
    "io_submit": (209, 2),
    "io_cancel": (210, 3),
    "io_pgetevents": (333, 292),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "ioprio_set": (251, 30),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "vhangup": (153, 58),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "personality": (135, 92),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "shmget": (29, 194),
    "shmctl": (31, 195),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "msgctl": (71, 187),
    "msgrcv": (70, 188),
    "msgsnd": (69, 189),
    "semget": (64, 190),
    "semctl": (66, 191),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "listen": (50, 201),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
}
"""EPERM: calls that reach other processes or kernel internals, leave the process group, bypass
Landlock, use memory that no limit counts, raise the I/O priority above the lowest, which a run
gets, or use up what the whole machine has few of (io_setup: 65,536 by default, in
/proc/sys/fs/aio-max-nr). io_uring would access files and sockets without the filter; listen without
bind opens a port without Landlock; with a filter of its own, the program could answer the calls of
its children (seccomp_unotify(2))."""
HARMLESS_IN_PRIVATE = frozenset({"setpgid", "setsid", "listen"})
"""Allowed for a run that has its own files, network and processes."""
