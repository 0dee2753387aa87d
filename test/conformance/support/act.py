"""Acts out cases of the matrix in the guest: reads [{id, op, object, to, uid}] from standard input, prints {id: errno}.

Each case runs in a child of its own, so that a change of user or root stays there. 0 is success.
"""
import ctypes
import errno
import fcntl
import json
import mmap
import os
import socket
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


def run(c):
    pid = os.posix_spawn(c["object"], [c["object"]], {})
    if os.waitpid(pid, 0)[1] != 0:
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
    "mkdir": lambda c: os.mkdir(c["object"]),
    "rmdir": lambda c: os.rmdir(c["object"]),
    "mknod": lambda c: os.mknod(c["object"], 0o600),
    "symlink": lambda c: os.symlink("/nowhere", c["object"]),
    "link": lambda c: os.link(c["object"], c["to"]),
    "rename": lambda c: os.rename(c["object"], c["to"]),
    "map": map_file,
    "lock": lock_file,
    "exec": run,
    "script": run,
    "socket": make_socket,
    "capability": use_capability,
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
    pid = os.fork()
    if pid == 0:
        os._exit(attempt(c))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


print(json.dumps({c["id"]: outcome(c) for c in json.load(sys.stdin)}))
