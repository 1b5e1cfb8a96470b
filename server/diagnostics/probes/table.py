"""The probes: each makes one small attempt that a layer must block.

A body is Python code that runs inside the sandbox. It can use `T`, the targets of `targets.py`, and
`call`, which makes a system call by its numbers on x86_64 and aarch64 and raises OSError. It sets
`through` if the attempt succeeds. It changes nothing except the targets.
"""

from __future__ import annotations

from dataclasses import dataclass

PRELUDE = """
import ctypes, fcntl, json, mmap, os, platform, resource, signal, socket, struct, sys, threading
import time
T, through = json.loads(sys.argv[2]), False
libc = ctypes.CDLL(None, use_errno=True)
def call(numbers, *arguments):
    number = numbers[platform.machine() == "aarch64"]
    result = libc.syscall(number, *map(ctypes.c_long, arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
try:
{body}
except (OSError, ValueError, OverflowError):
    pass
print("succeeded" if through else "blocked")
"""


@dataclass(frozen=True, slots=True)
class Probe:
    """One attempt. In the tier landlock it succeeds if the layers in `undone` are disabled.

    None: it succeeds only without a sandbox, whatever layers are disabled. If the server is root,
    its other processes have capabilities, and a process without them may not trace, read or pin
    them.
    """

    what: str
    layer: str
    body: str
    undone: tuple[str, ...] | None = ()
    as_root: bool = False
    """Whether it can succeed only if the server is root."""
    cpu_s: float = 5.0
    """Processor time it may use, in seconds."""

    @property
    def source(self) -> str:
        """Return the program to run."""
        body = "\n".join(f"    {line}" for line in self.body.strip().splitlines())
        return PRELUDE.replace("{body}", body)


_READ = "open({path}).read(); through = True"
PROBES = (
    Probe("read a file outside", "landlock", _READ.format(path="T['file']"), ("landlock",)),
    Probe(
        "read a file outside through a symbolic link",
        "landlock",
        f"os.symlink(T['file'], 'link')\n{_READ.format(path=repr('link'))}",
        ("landlock",),
    ),
    Probe(
        "write into a folder outside",
        "landlock",
        "open(os.path.join(T['folder'], 'planted'), 'w').close(); through = True",
        ("landlock",),
    ),
    Probe(
        "list a folder outside",
        "landlock",
        "through = bool(os.listdir(T['folder']))",
        ("landlock",),
    ),
    Probe(
        "read the environment of another process",
        "landlock",
        "through = bool(open(f'/proc/{T[\"process\"]}/environ', 'rb').read())",
        ("capabilities", "landlock"),
    ),
    Probe(
        "connect to a port of this machine",
        "landlock",
        "socket.create_connection(('127.0.0.1', T['port']), 2).close(); through = True",
        ("landlock",),
    ),
    Probe(
        "signal another process",
        "signals stay inside",
        "os.kill(T['process'], 0); through = True",
        ("landlock",),
    ),
    Probe(
        "trace another process",
        "seccomp",
        "call((101, 117), 0x4206, T['process'], 0, 0); through = True",
        ("capabilities", "landlock", "seccomp"),
    ),
    Probe(
        "pin another process to a processor",
        "seccomp",
        "os.sched_setaffinity(T['process'], os.sched_getaffinity(T['process'])); through = True",
        ("capabilities", "seccomp"),
    ),
    Probe(
        "limit another process",
        "seccomp",
        "resource.prlimit(T['process'], resource.RLIMIT_CORE); through = True",
        ("seccomp",),
    ),
    Probe(
        "send a datagram",
        "seccomp",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(); through = True",
        ("seccomp",),
    ),
    Probe(
        "connect to a Unix socket by name",
        "seccomp",
        "s = socket.socket(socket.AF_UNIX); s.connect(T['socket']); through = True",
        ("seccomp",),
    ),
    Probe(
        "connect to an abstract Unix socket",
        "seccomp",
        "s = socket.socket(socket.AF_UNIX); s.connect('\\0' + T['abstract']); through = True",
        ("landlock", "seccomp"),
    ),
    Probe(
        "use memory that is not counted",
        "seccomp",
        "os.memfd_create('hidden'); through = True",
        ("seccomp",),
    ),
    Probe(
        "change its execution domain",
        "seccomp",
        "call((135, 92), 0xFFFFFFFF); through = True",
        ("seccomp",),
    ),
    Probe(
        "watch a folder outside",
        "seccomp",
        "call((294, 26), 0); through = True",
        ("seccomp",),
    ),
    Probe(
        "make a process whose parent is outside",
        "seccomp",
        "if call((56, 220), 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:\n"
        "    os._exit(0)\n"
        "through = True",
        ("seccomp",),
    ),
    Probe(
        "block others from a file that it may only read",
        "seccomp",
        "with open(os.__file__) as file:\n"
        "    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK); through = True",
        ("seccomp",),
        as_root=True,  # only the owner of a file may take a lease
    ),
    Probe(
        "read how much processor time another process has used",
        "seccomp",
        "time.clock_gettime(~T['process'] << 3 | 2); through = True",
        ("seccomp",),
    ),
    Probe(
        "change the mode of a file outside",
        "seccomp",
        "before = os.stat(T['file']).st_mode; os.chmod(T['file'], before ^ 0o100)\n"
        "through = os.stat(T['file']).st_mode != before",
        ("seccomp",),
    ),
    Probe(
        "attach shared memory of others",
        "private ipc",
        "libc.shmat.restype = ctypes.c_long; through = libc.shmat(T['segment'], None, 0) != -1",
        ("seccomp",),
    ),
    Probe(
        "have capabilities",
        "capabilities",
        "sets = ctypes.create_string_buffer(24)\n"
        "libc.capget(struct.pack('=Ii', 0x20080522, 0), sets); through = any(sets.raw)",
        ("capabilities",),
        as_root=True,
    ),
    Probe(
        "open hundreds of files",
        "rlimits",
        "kept = [os.dup(1) for _ in range(300)]; through = True",
        ("rlimits",),
    ),
    Probe(
        "use processor time in children that are not waited for",
        "rlimits",
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "for _ in range(200):\n"
        "    if os.fork() == 0:\n"
        "        end = time.process_time() + 0.008\n"
        "        while time.process_time() < end: pass\n"
        "        os._exit(0)\n"
        "    try: os.wait()\n"
        "    except ChildProcessError: pass\n"
        "through = True",
        None,
        cpu_s=0.5,
    ),
    Probe(
        "hide memory in processes without their first thread",
        "rlimits",
        "def work():\n"
        "    held = b'x' * (60 * 2**20); time.sleep(1); os._exit(0)\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        threading.Thread(target=work).start(); call((60, 93), 0)\n"
        "for _ in range(4):\n"
        "    through = os.waitstatus_to_exitcode(os.wait()[1]) == 0",
        None,
    ),
    Probe("find out that a file exists", "private root", "os.stat(T['file']); through = True"),
    Probe(
        "find out that a process exists",
        "private processes",
        "try:\n    os.kill(T['process'], 0)\nexcept ProcessLookupError:\n    pass\n"
        "except PermissionError:\n    through = True\nelse:\n    through = True",
    ),
    Probe(
        "use the network of this machine",
        "private network",
        "cookie = socket.socket().getsockopt(socket.SOL_SOCKET, 71, 8)\n"
        "through = cookie.hex() == T['network']",
    ),
    Probe(
        "read the name of this machine",
        "private host name",
        "through = socket.gethostname() == T['host']",
    ),
    Probe(
        "have a disk without a size limit",
        "bounded scratch",
        "found = os.statvfs('.'); through = found.f_blocks * found.f_frsize > T['scratch_bytes']",
    ),
    Probe(
        "run as the user root", "unprivileged user", "through = os.getuid() == 0", (), as_root=True
    ),
    Probe(
        "read the server's environment",
        "clean environment",
        "through = T['variable'] in os.environ",
        None,
    ),
    Probe(
        "spread memory over child processes",
        "memory counted by the kernel",
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        held = b'x' * (60 * 2**20); time.sleep(1); os._exit(0)\n"
        "for _ in range(4):\n"
        "    through = os.waitstatus_to_exitcode(os.wait()[1]) == 0",
        None,
    ),
)
