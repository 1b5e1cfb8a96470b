"""The program that `tiers/detection.py` runs: it attempts what each layer must prevent.

For each layer it prints "", or the attempt that succeeded. It uses none of our modules.
"""

SELF_CHECK = """
import ctypes, errno, json, os, resource, socket, struct, sysconfig

def refused(codes, attempt):
    try:
        attempt()
    except OSError as error:
        return "" if error.errno in codes else f"{error}"
    return "an attempt succeeded"

def capabilities():
    header, data = struct.pack("=Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    if ctypes.CDLL(None).capget(header, data):
        return "can't be read"
    return "the process has some" if any(data.raw) else ""

def connect():
    with socket.socket() as one:
        one.settimeout(2)
        one.connect(("127.0.0.1", 9))

def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()

def mptcp():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()

def check_root():
    shown = len(os.listdir("/etc"))  # a host has some hundred entries there
    if not os.path.ismount("/scratch") or shown >= 16:
        return "the host's root is visible"
    for name in ("stdlib", "purelib"):
        try:
            os.listdir(sysconfig.get_path(name))
        except OSError:
            return f"runs can't read {sysconfig.get_path(name)} (allow it with chmod a+rX)"
    return ""

def check_processes():
    ids = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return "" if len(ids) < 6 and os.getpid() != 1 else f"{len(ids)} processes are visible"

def check_network():
    with open("/proc/net/dev") as file:
        names = [line.split(":")[0].strip() for line in file][2:]
    return "" if names == ["lo"] else f"interfaces: {names}"

def check_ipc():
    with open("/proc/sysvipc/shm") as file:
        return "" if len(file.readlines()) == 1 else "shared memory of others is visible"

CHECKS = {
    "private root": check_root,
    "private processes": check_processes,
    "private network": check_network,
    "private ipc": check_ipc,
    "private host name": lambda: "" if socket.gethostname() == "sandbox" else "it is the host's",
    "landlock": lambda: refused({errno.EACCES}, connect),
    "seccomp": lambda: refused({errno.EPERM}, udp) or refused({errno.EPERM}, mptcp),
    "capabilities": capabilities,
    "rlimits": lambda: ""
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    else "memory is not limited",
}

found = {}
for name, check in CHECKS.items():
    try:
        found[name] = check()
    except Exception as error:
        found[name] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""
