# odd_launcher.py SOCKET
#
# Registers guests as a launcher does, with descriptors that are not what
# they are said to be.  For each it says what the daemon answered.

import array
import os
import select
import socket
import struct
import sys
import tempfile

PROGRAM, VERSION, REGISTER, CALL_WITH_FDS = 0x71656d64, 1, 1, 4
MONITOR, CONSOLE, PTY, VNC = 1, 2, 3, 4


def u32(n):
    return struct.pack(">I", n & 0xffffffff)


def string(s):
    s = s.encode() if isinstance(s, str) else s
    return u32(len(s)) + s + b"\0" * (-len(s) % 4)


def body(n, kinds):
    name = "odd%d" % n
    uuid = struct.pack(">IHHHHI", 0, 0, 0x4000, 0x8000, 0, n)
    xml = ("<domain type='qemu'><name>%s</name>"
           "<uuid>00000000-0000-4000-8000-0000%08x</uuid>"
           "<memory unit='MiB'>16</memory><vcpu>1</vcpu><os>"
           "<type arch='x86_64' machine='pc'>hvm</type></os><devices>"
           "<serial type='pty'/><graphics type='vnc' port='-1'/>"
           "</devices></domain>" % (name, n))
    b = u32(1) + string(name) + uuid + u32(os.getpid()) + u32(0)
    b += string(xml) + u32(len(kinds))
    for kind in kinds:
        b += u32(kind)
        if kind == CONSOLE:
            b += u32(0) + string("serial0") + string("/dev/pts/0\x1b[2J")
        elif kind == PTY:
            b += u32(0)
        elif kind == VNC:
            b += u32(0) + u32(5900)
    return b


def register(path, n, what):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    b = body(n, [kind for kind, fd in what])
    head = u32(PROGRAM) + u32(VERSION) + u32(REGISTER) + \
        u32(CALL_WITH_FDS) + u32(1) + u32(0) + u32(len(what))
    s.sendall(u32(4 + len(head) + len(b)) + head + b)
    for kind, fd in what:
        s.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                             array.array("i", [fd]))])
    answer = s.recv(4096)
    status = struct.unpack(">I", answer[24:28])[0] if len(answer) >= 28 \
        else -1
    return s, status


def odd():
    r, w = os.pipe()
    gone, other = socket.socketpair()
    other.close()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    keep.extend([gone, listening, udp])
    file = tempfile.TemporaryFile()
    keep.append(file)
    yield "null", os.open("/dev/null", os.O_RDWR)
    yield "zero", os.open("/dev/zero", os.O_RDWR)
    yield "file", file.fileno()
    yield "read-only file", os.open("/etc/hostname", os.O_RDONLY)
    yield "folder", os.open("/", os.O_RDONLY)
    yield "path", os.open("/", os.O_PATH)
    yield "pipe", r
    yield "other end", w
    yield "closed socket", gone.fileno()
    yield "listener", listening.fileno()
    yield "datagrams", udp.fileno()
    yield "epoll", select.epoll().detach() if hasattr(
        select.epoll, "detach") else os.dup(epoll.fileno())
    yield "terminal", os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    yield "memory", os.memfd_create("x")
    yield "processes", os.open("/proc", os.O_RDONLY)
    yield "itself", os.open("/proc/self/mem", os.O_RDONLY)


keep = []
epoll = select.epoll()
n = 0
for name, fd in odd():
    for kinds in ([MONITOR], [MONITOR, CONSOLE], [MONITOR, PTY],
                  [MONITOR, CONSOLE, PTY, VNC], [MONITOR, VNC]):
        n += 1
        good, qemu = socket.socketpair()
        keep.extend([good, qemu])
        what = [(kind, fd if len(kinds) == 1 or kind != MONITOR
                 else good.fileno()) for kind in kinds]
        s, status = register(sys.argv[1], n, what)
        # a monitor that begins well
        if len(kinds) > 1:
            qemu.sendall(b'{"QMP": {"version": {"qemu": {"micro": 0, '
                         b'"minor": 2, "major": 7}, "package": ""}, '
                         b'"capabilities": []}}\r\n')
        keep.append(s)
        print(n, name, *kinds, status, flush=True)
print("done", flush=True)
sys.stdin.read()
