"""Acts out cases of the matrix in the guest: reads [{id, op, object, to, uid, terminal}] from standard input, prints {id: errno}.

Each case runs in a child of its own, so that a change of user or root stays there. 0 is success.
"""
import ctypes
import errno
import fcntl
import json
import mmap
import os
import pty
import signal
import socket
import struct
import sys

FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6, "unix": socket.AF_UNIX,
            "netlink": socket.AF_NETLINK, "packet": socket.AF_PACKET}
TYPES = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM, "raw": socket.SOCK_RAW}
PROTOCOLS = {"icmp": socket.IPPROTO_ICMP}


def opened(flags):
    return lambda c: os.close(os.open(c["object"], flags, 0o600))


def map_file(c):
    fd = os.open(c["object"], os.O_RDONLY)
    mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()


def lock_file(c):
    fcntl.flock(os.open(c["object"], os.O_RDONLY), fcntl.LOCK_EX)


def ftruncate(c):
    os.ftruncate(os.open(c["object"], os.O_RDWR), 0)


def use_unnamed(c):
    """Uses what has no path, so that no list can name it."""
    if c["object"] == "pipe":
        os.close(os.open("/proc/self/fd/%d" % os.pipe()[1], os.O_WRONLY))
    elif c["object"] == "memfd":
        fd = os.memfd_create("conform")
        os.ftruncate(fd, mmap.PAGESIZE)
        mmap.mmap(fd, mmap.PAGESIZE, flags=mmap.MAP_SHARED).close()
    else:
        mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_SHARED).close()
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        number = libc.shmget(0, mmap.PAGESIZE, 0o1600)
        refused = number < 0 or libc.shmat(number, None, 0) == ctypes.c_void_p(-1).value
        error = ctypes.get_errno()
        libc.shmctl(number, 0, None)
        if refused:
            raise OSError(error, "no shared memory")


def run(c):
    pid = os.posix_spawn(c["object"], [c["object"], *c.get("args", [])], {})
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == -signal.SIGKILL:
        raise OSError(errno.EACCES, "killed for its arguments")
    if status == -signal.SIGSEGV:
        raise OSError(errno.EACCES, "killed, since it could not be mapped")
    if status != 0:
        raise OSError(errno.EIO, "it did not end well")


def make_socket(c):
    family, kind, *protocol = c["object"].split(" ")
    number = PROTOCOLS[protocol[0]] if protocol else socket.IPPROTO_UDP if kind == "raw" and family != "packet" else 0
    if family == "netlink":
        number = 0
    socket.socket(FAMILIES[family], TYPES[kind], number).close()


def use_capability(c):
    if c["object"] == "chown":
        os.chown("/srv/conform/capabilities/a", 1, 1)
    elif c["object"] == "sys_chroot":
        os.chroot("/")
    else:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP).close()


def question(way, name):
    shouted = name.upper() if way == "shouted" else name
    labels = b"".join(bytes([len(label)]) + label.encode() for label in shouted.split(".") if label) + b"\0"
    more = b"\0\0\x29\x10\0\0\0\0\0\0\0" if way == "edns" else b""
    count = {"two": 2, "none": 0}.get(way, 1)
    head = struct.pack(">6H", 0x1234, 0x8180 if way == "answer" else 0x0100, count, 0, 0, 1 if more else 0)
    if way == "cut":
        return head + labels[:4]
    if way == "pointer":
        return head + b"\xc0\x0c\0\1\0\1"
    return head + labels + b"\0\1\0\1" + more


def ask_by_packet(way, message):
    family, address = (socket.AF_INET6, "::1") if way == "udp6" else (socket.AF_INET, "127.0.0.1")
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        if way == "connected":
            s.connect((address, 53))
            s.send(message)
        else:
            s.sendto(message, (address, 5353 if way == "elsewhere" else 53))


def ask_by_stream(way, message):
    family, address = (socket.AF_INET6, "::1") if way == "tcp6" else (socket.AF_INET, "127.0.0.1")
    with socket.create_server((address, 53), family=family) as server, socket.create_connection((address, 53)) as s:
        there, _ = server.accept()
        there.settimeout(1)
        whole = struct.pack(">H", len(message)) + message
        if way == "second":  # behind one that nobody refuses, in one packet
            first = question("tcp", "fine.example")
            whole = struct.pack(">H", len(first)) + first + whole
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in [whole[i:i + 1] for i in range(len(whole))] if way == "split" else [whole]:
            s.send(piece)
        got = b""
        for _ in range(30):
            try:
                got += there.recv(1024)
            except TimeoutError:
                s.send(b"\0")  # EACCES where something was refused before
            if len(got) >= len(whole):
                return
        raise OSError(errno.EIO, "neither sent nor refused")


def ask(c):
    way, name = c["object"].split(" ")
    by = ask_by_stream if way in ("tcp", "tcp6", "split", "second") else ask_by_packet
    by(way, question(way, name))


FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_NODUMP_FL = 0x80086601, 0x40086602, 0x40


def set_flags(c):
    """As chattr does it: by a descriptor that is open to read."""
    fd = os.open(c["object"], os.O_RDONLY)
    flags = struct.unpack("l", fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(8)))[0]
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", flags ^ FS_NODUMP_FL))


ACTS = {
    "read": opened(os.O_RDONLY),
    "write": opened(os.O_WRONLY),
    "append": opened(os.O_WRONLY | os.O_APPEND),
    "create": opened(os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "truncate": lambda c: os.truncate(c["object"], 1),
    "ftruncate": ftruncate,
    "list": lambda c: os.listdir(c["object"]),
    "unlink": lambda c: os.unlink(c["object"]),
    "chmod": lambda c: os.chmod(c["object"], 0o640),
    "chown": lambda c: os.chown(c["object"], 0, 0),
    "setxattr": lambda c: os.setxattr(c["object"], "user.conform", b"1"),
    "setflags": set_flags,
    "mkdir": lambda c: os.mkdir(c["object"]),
    "rmdir": lambda c: os.rmdir(c["object"]),
    "mknod": lambda c: os.mknod(c["object"], 0o600),
    "symlink": lambda c: os.symlink("/nowhere", c["object"]),
    "link": lambda c: os.link(c["object"], c["to"]),
    "rename": lambda c: os.rename(c["object"], c["to"]),
    "map": map_file,
    "lock": lock_file,
    "unnamed": use_unnamed,
    "exec": run,
    "script": run,
    "socket": make_socket,
    "capability": use_capability,
    "query": ask,
}


def attempt(c):
    try:
        if c.get("uid"):
            os.setgroups([])
            os.setgid(c["uid"])
            os.setuid(c["uid"])
        ACTS[c["op"]](c)
        return 0
    except OSError as error:
        return error.errno or errno.EIO


def outcome(c):
    pid, master = pty.fork() if c.get("terminal") else (os.fork(), None)
    if pid == 0:
        os._exit(attempt(c))
    if master is not None:
        try:
            os.read(master, 1)  # nothing is written: it ends with the child
        except OSError:
            pass
        os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


print(json.dumps({c["id"]: outcome(c) for c in json.load(sys.stdin)}))
