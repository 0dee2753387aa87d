"""Ways round a rule that a shell has no command for, and the runner of all rows of ways-round.bypass.vm-spec.ts, in the guest.

    bypass.py VERB ARGUMENT...   tries; ends with 0 if it got through, else says the error's name and ends with 1
    bypass.py verified           prints what the verifier processed, by program, as JSON
    bypass.py rows               runs the rows that stand on standard input as JSON, prints their outcomes as JSON
"""
import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
OPENAT2, IO_URING_SETUP, IO_URING_ENTER, PIVOT_ROOT, BPF, PIDFD_GETFD = 437, 425, 426, 155, 321, 438
OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT = 428, 429, 430, 431, 432
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000
NEWUSER, NEWPID, NEWNS = 0x10000000, 0x20000000, 0x20000
ROW_SECONDS = 90


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(*arguments):
    return check(LIBC.syscall(*(a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments)))


def read(path):
    with open(path, 'rb') as file:
        file.read(1)


def reopened(fd):
    read(f'/proc/self/fd/{fd}')


def openat2(path):
    syscall(OPENAT2, -100, path.encode(), struct.pack('QQQ', os.O_RDONLY, 0, 0), 24)


def uring(path):
    """Opens it by a worker of io_uring."""
    params = ctypes.create_string_buffer(120)
    ring = syscall(IO_URING_SETUP, 4, params)
    field = lambda at: struct.unpack_from('I', params, at)[0]
    sq_tail, sq_array, cq_head, cq_mask, cqes = field(44), field(64), field(80), field(88), field(100)
    sq = mmap.mmap(ring, sq_array + 4 * field(0), offset=0)
    cq = mmap.mmap(ring, cqes + 16 * field(4), offset=0x8000000)
    entries = mmap.mmap(ring, 64 * field(0), offset=0x10000000)
    name = ctypes.create_string_buffer(path.encode())
    struct.pack_into('BBHiQQII', entries, 0, 18, 1 << 4, 0, -100, 0, ctypes.addressof(name), 0, os.O_RDONLY)
    struct.pack_into('I', sq, sq_array, 0)
    struct.pack_into('I', sq, sq_tail, 1)
    syscall(IO_URING_ENTER, ring, 1, 1, 1, 0, 0)
    head, mask = struct.unpack_from('I', cq, cq_head)[0], struct.unpack_from('I', cq, cq_mask)[0]
    result = struct.unpack_from('i', cq, cqes + 16 * (head & mask) + 8)[0]
    if result < 0:
        raise OSError(-result, os.strerror(-result))


def by_handle(path, then='keep'):
    """`forget` drops the name from the kernel's caches first, so that the handle leads to a file without one."""
    handle = ctypes.create_string_buffer(struct.pack('Ii', 128, 0) + bytes(128))
    mount_id = ctypes.create_string_buffer(4)
    check(LIBC.name_to_handle_at(-100, path.encode(), handle, mount_id, 0))
    if then == 'forget':
        os.sync()
        with open('/proc/sys/vm/drop_caches', 'w') as caches:
            caches.write('2')
    directory = os.open(os.path.dirname(path), os.O_RDONLY) if then == 'keep' else os.open('/', os.O_RDONLY)
    check(LIBC.open_by_handle_at(directory, handle, os.O_RDONLY))


def passed(path):
    """A descriptor made by another process comes over a socket."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        socket.send_fds(theirs, [b'x'], [os.open(path, os.O_PATH)])
        os._exit(0)
    reopened(socket.recv_fds(ours, 1, 1)[1][0])


def of_process(path):
    """Through the root directory of another process."""
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        read(f'/proc/{child}/root{path}')
    finally:
        os.kill(child, signal.SIGKILL)


def in_pid_namespace(path):
    check(LIBC.unshare(NEWUSER | NEWPID))
    read(path)


def in_chroot(root, path):
    if os.getuid() != 0:
        check(LIBC.unshare(NEWUSER))
    os.chroot(root)
    os.chdir('/')
    read(path)


def execute(path, kind):
    """By a descriptor: of the file, or of a copy in memory."""
    fd = os.open(path, os.O_PATH) if kind == 'path' else os.memfd_create('copy')
    if kind == 'copy':
        with open(path, 'rb') as file:
            os.write(fd, file.read())
    os.execve(fd, ['sleep', '0'], {})


def exchange(one, other):
    check(LIBC.renameat2(-100, one.encode(), -100, other.encode(), 2))


def pivot(directory):
    syscall(PIVOT_ROOT, directory.encode(), directory.encode())


def in_image(root, path):
    """As a container does it: a mount namespace whose root is an image; the host's proc is there."""
    check(LIBC.unshare(NEWNS))
    check(LIBC.mount(b'none', b'/', None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None))
    check(LIBC.mount(root.encode(), root.encode(), None, ctypes.c_ulong(MS_BIND), None))
    os.makedirs(f'{root}/proc', exist_ok=True)
    check(LIBC.mount(b'proc', f'{root}/proc'.encode(), b'proc', 0, None))
    os.chdir(root)
    syscall(PIVOT_ROOT, b'.', b'.')
    if not path.startswith('/proc'):
        check(LIBC.umount2(b'.', 2))
    read(path)


def reuse(path, other, fresh):
    """Removes a file by the one name or two that it has, makes another that gets its inode, and runs that."""
    number = os.stat(path).st_ino
    os.unlink(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(other)
    made = []
    for attempt in range(2000):
        made.append(f'{fresh}-{attempt}')
        shutil.copy('/usr/bin/true', made[-1])
        if os.stat(made[-1]).st_ino == number:
            break
    else:
        raise OSError(errno.EAGAIN, 'no file got that inode')
    try:
        subprocess.run([made[-1]], check=True)
    finally:
        for one in made:
            os.unlink(one)


def cover(how, directory):
    """Mounts something over it, by the old call or the new ones."""
    if how == 'tmpfs':
        check(LIBC.mount(b'none', directory.encode(), b'tmpfs', 0, None))
    elif how in ('bind', 'bind-private'):
        source = '/srv/open' if os.path.isdir(directory) else '/srv/open/a'
        flags = MS_BIND | MS_PRIVATE if how == 'bind-private' else MS_BIND
        check(LIBC.mount(source.encode(), directory.encode(), None, ctypes.c_ulong(flags), None))
    elif how == 'fsmount':
        context = syscall(FSOPEN, b'tmpfs', 0)
        syscall(FSCONFIG, context, 6, 0, 0, 0)
        place(syscall(FSMOUNT, context, 0, 0), directory)
    else:
        place(syscall(OPEN_TREE, -100, b'/srv/open', 1), directory)


def place(tree, directory):
    syscall(MOVE_MOUNT, tree, b'', -100, directory.encode(), 4)


def move_tree(how, one, other):
    if how == 'mount':
        check(LIBC.mount(one.encode(), other.encode(), None, ctypes.c_ulong(MS_MOVE), None))
    else:
        syscall(MOVE_MOUNT, -100, one.encode(), -100, other.encode(), 0)


def move_from_chroot(root, one, other):
    """With another root, and the working directory outside it, from where both places are named."""
    os.chdir('/')
    os.chroot(root)
    check(LIBC.mount(one.lstrip('/').encode(), other.lstrip('/').encode(), None, ctypes.c_ulong(MS_MOVE), None))


def give_away(path):
    """Lets another user write by a list of access; the tags are those of linux/posix_acl.h."""
    entries = ((0x01, 6, -1), (0x02, 6, 1234), (0x04, 4, -1), (0x10, 6, -1), (0x20, 4, -1))
    packed = b''.join(struct.pack('<HHi', *entry) for entry in entries)
    os.setxattr(path, 'system.posix_acl_access', struct.pack('<I', 2) + packed)


def change(how, path):
    """What a descriptor to read is enough for: the generation of the inode, or its flags."""
    number = {'generation': 0x40087602, 'generation-ext4': 0x40086604, 'flags': 0x40086602}[how]
    fcntl.ioctl(os.open(path, os.O_RDONLY), number, struct.pack('l', 0))


def uncover(directory, flags='0'):
    check(LIBC.umount2(directory.encode(), int(flags)))


def write_into(how, source, target):
    """From a descriptor of the source into one of the target, without write(2)."""
    from_fd, to_fd = os.open(source, os.O_RDONLY), os.open(target, os.O_WRONLY)
    if how == 'copy_file_range':
        os.copy_file_range(from_fd, to_fd, 1)
    elif how == 'sendfile':
        os.sendfile(to_fd, from_fd, 0, 1)
    else:
        reader, writer = os.pipe()
        os.splice(from_fd, writer, 1)
        os.splice(reader, to_fd, 1)


def race(directory, seconds):
    """Opens what is below one of two names of a directory that is moved between them without a pause."""
    one, other = f'{directory}/one', f'{directory}/other'
    mover = os.fork()
    if mover == 0:
        while True:
            os.rename(one, other)
            os.rename(other, one)
    end, tries, through = time.monotonic() + float(seconds), 0, 0
    at = os.open(one if os.path.exists(one) else other, os.O_PATH | os.O_DIRECTORY)
    try:
        while time.monotonic() < end:
            for path, dir_fd in (('secret', at), (f'{one}/secret', None), (f'{other}/secret', None)):
                try:
                    os.close(os.open(path, os.O_RDONLY, dir_fd=dir_fd))
                    through += 1
                except FileNotFoundError:
                    continue
                except PermissionError:
                    tries += 1
    finally:
        os.kill(mover, signal.SIGKILL)
        os.waitpid(mover, 0)
    print(json.dumps({'denied': tries, 'through': through}))
    if through == 0:
        raise OSError(errno.EACCES if tries > 100 else errno.EAGAIN, 'none got through')


def hold(path, ready, times='1'):
    """Opens before there are rules, and tells later, when `ready`.go is there, what the descriptor is still good for."""
    fd = os.open(path, os.O_RDWR)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(times) + 16, int(times) + 16)) if times != '1' else None
    for _ in range(1, int(times)):
        os.dup(fd)
    open(f'{ready}.held', 'w').close()
    end = time.monotonic() + 2400
    while not os.path.exists(f'{ready}.go') and time.monotonic() < end:
        time.sleep(0.2)
    outcomes = {}
    for name, use in (('read', lambda: os.pread(fd, 1, 0)), ('map', lambda: mmap.mmap(fd, 1))):
        try:
            use()
            outcomes[name] = 'open'
        except OSError as error:
            outcomes[name] = errno.errorcode[error.errno]
    with open(f'{ready}.new', 'w') as file:
        json.dump(outcomes, file)
    os.rename(f'{ready}.new', f'{ready}.json')


def held(use, ready):
    open(f'{ready}.go', 'w').close()
    end = time.monotonic() + 20
    while not os.path.exists(f'{ready}.json') and time.monotonic() < end:
        time.sleep(0.1)
    with open(f'{ready}.json') as file:
        outcome = json.load(file)[use]
    if outcome != 'open':
        raise OSError(getattr(errno, outcome), outcome)


def signalled(pid):
    """As the owner of a pipe, whose signal is SIGKILL: the kernel sends it when something can be read."""
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, int(pid))
    fcntl.fcntl(reader, 10, signal.SIGKILL)  # F_SETSIG
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writer, b'x')
    time.sleep(1)
    os.stat(f'/proc/{pid}')
    raise OSError(errno.EPERM, 'it lives')


def attach(pid):
    check(LIBC.ptrace(ctypes.c_long(0x4206), ctypes.c_long(int(pid)), None, None))  # PTRACE_SEIZE
    os._exit(0)


def take_descriptor(pid):
    syscall(PIDFD_GETFD, os.pidfd_open(int(pid)), 3, 0)


def memory_of(pid):
    os.close(os.open(f'/proc/{pid}/mem', os.O_RDWR))


def map_of_ours(name):
    """A descriptor of the map with that name, able to write."""
    attributes = lambda *values: ctypes.create_string_buffer(struct.pack(f'{len(values)}I', *values), 128)
    number = 0
    while True:
        next_id = attributes(number, 0)
        syscall(BPF, 12, next_id, 128)  # BPF_MAP_GET_NEXT_ID
        number = struct.unpack_from('I', next_id, 4)[0]
        fd = syscall(BPF, 14, attributes(number, 0, 0x8), 128)  # BPF_MAP_GET_FD_BY_ID, BPF_F_RDONLY
        info = ctypes.create_string_buffer(128)
        syscall(BPF, 15, ctypes.create_string_buffer(struct.pack('IIQ', fd, 128, ctypes.addressof(info)), 128), 128)
        os.close(fd)
        if struct.unpack_from('16s', info, 24)[0].rstrip(b'\0').decode() == name:
            syscall(BPF, 14, attributes(number, 0, 0), 128)
            return


def verified():
    """How many instructions the verifier processed for each program of ours."""
    attributes = lambda *values: ctypes.create_string_buffer(struct.pack(f'{len(values)}I', *values), 128)
    figures, number = {}, 0
    while True:
        next_id = attributes(number, 0)
        try:
            syscall(BPF, 11, next_id, 128)  # BPF_PROG_GET_NEXT_ID
        except FileNotFoundError:
            break
        number = struct.unpack_from('I', next_id, 4)[0]
        fd = syscall(BPF, 13, attributes(number, 0, 0), 128)  # BPF_PROG_GET_FD_BY_ID
        info = ctypes.create_string_buffer(256)
        syscall(BPF, 15, ctypes.create_string_buffer(struct.pack('IIQ', fd, 256, ctypes.addressof(info)), 128), 128)
        os.close(fd)
        name = struct.unpack_from('16s', info, 64)[0].rstrip(b'\0').decode()
        if name.startswith('hw_'):
            figures[name] = struct.unpack_from('I', info, 216)[0]
    print(json.dumps(figures))


def run(row):
    if row.get('setUp'):
        subprocess.run(['sh', '-ec', row['setUp']], check=True, capture_output=True, timeout=ROW_SECONDS)
    user = ['setpriv', '--reuid=someone', '--regid=someone', '--clear-groups'] if row.get('user') else []
    done = subprocess.run([*user, 'sh', '-c', row['attempt']], capture_output=True, text=True, timeout=ROW_SECONDS)
    if row.get('after'):
        subprocess.run(['sh', '-c', row['after']], capture_output=True, timeout=ROW_SECONDS)
    return {'code': done.returncode, 'output': (done.stdout + done.stderr)[-2000:]}


def rows():
    outcomes = {}
    for row in json.load(sys.stdin):
        try:
            outcomes[row['name']] = run(row)
        except (subprocess.SubprocessError, OSError) as error:
            outcomes[row['name']] = {'code': -1, 'output': f'{error} {getattr(error, "stderr", "")}'}
    json.dump(outcomes, sys.stdout)


VERBS = {verb.__name__: verb for verb in (
    openat2, uring, by_handle, passed, of_process, in_pid_namespace, in_chroot, execute, exchange, pivot, in_image, reuse, cover, move_tree,
    move_from_chroot, uncover, write_into, give_away, change, signalled, race, hold, held, attach, take_descriptor, memory_of, map_of_ours, verified, rows)}

if __name__ == '__main__':
    try:
        VERBS[sys.argv[1]](*sys.argv[2:])
    except OSError as error:
        sys.exit(f'{errno.errorcode.get(error.errno, error.errno)}: {error}')
