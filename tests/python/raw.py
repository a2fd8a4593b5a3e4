# raw.py SOCKET PROCS FLAGS NAME [UUID]: asks for everything that needs full
# control, without libvirt's library in between, which would refuse it itself.
#
# PROCS is rpc/procs.h, which says what that is; FLAGS those of connect_open;
# NAME and UUID the domain that is asked about.  With UUID the bodies are
# right; without, they are empty.

import re
import socket
import struct
import sys
import uuid

from check import equal, fail, true

path, procs, flags, name = sys.argv[1:5]
flags = int(flags)
PROGRAMS = {"RPC_REMOTE_PROCS": 0x20008086, "RPC_QEMU_PROCS": 0x20008087,
            "RPC_OWN_PROCS": 0x71656d64}
DENIED, ACCESS = 29, 88


def text(s):
    s = s.encode()
    return struct.pack(">I", len(s)) + s + b"\0" * (-len(s) % 4)


def optional(s):
    return struct.pack(">I", s is not None) + (text(s) if s is not None
                                               else b"")


def number(n):
    return struct.pack(">i", n)


BODIES = {}
if len(sys.argv) > 5:
    dom = text(name) + uuid.UUID(sys.argv[5]).bytes + number(1)
    BODIES = {
        "rp_dom": dom,
        "rp_dom_flags": dom + number(0),
        "rp_dom_int": dom + number(1),
        "rp_text": text("<domain/>"),
        "rp_text_flags": text("<domain/>") + number(0),
        "rp_dom_text_flags": dom + text("info status") + number(1),
        "rp_dom_opttext_flags": dom + optional("x") + number(0),
        "rp_set_metadata": dom + number(1) + optional("x") +
        optional(None) + optional(None) + number(0),
        "own_log_args": text(name) + number(0),
    }

sock = socket.socket(socket.AF_UNIX)
sock.settimeout(30)
sock.connect(path)
serial = 0


def read(n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            fail("the connection was closed")
        data += more
    return data


def call(program, procedure, body):
    """(0, body), or (1, code of the error, text)."""
    global serial
    serial += 1
    sock.sendall(struct.pack(">7I", 28 + len(body), program, 1, procedure,
                             0, serial, 0) + body)
    length, = struct.unpack(">I", read(4))
    answer = read(length - 4)
    head = struct.unpack(">6I", answer[:24])
    equal((program, 1, procedure, 1, serial), head[:5])
    if head[5] == 0:
        return 0, answer[24:]
    code, domain, there, size = struct.unpack(">4I", answer[24:40])
    return 1, code, answer[40:40 + size].decode()


equal(0, call(0x20008086, 66, b"")[0])
equal(0, call(0x20008086, 1, optional("qemu:///system") +
              number(flags))[0])
equal(0, call(0x20008086, 3, b"")[0])

asked = set()
for line in open(procs).read().replace("\\\n", " ").split("#define ")[1:]:
    program = PROGRAMS.get(line.split("(")[0])
    if program is None:
        continue
    for row in re.findall(r"X\((\w+),\s*(\d+),\s*(\w+),\s*(\w+)", line):
        what, procedure, access, argument = row
        if access not in ("WRITE", "LAUNCH"):
            continue
        if BODIES and access == "LAUNCH":
            continue
        status, code, said = call(program, int(procedure),
                                  BODIES[argument] if BODIES else b"")
        equal((1, ACCESS if access == "LAUNCH" else DENIED), (status, code))
        if access == "WRITE":
            true(said.startswith("operation forbidden: read only access "
                                 "prevents "), said)
        asked.add(what)
true(len(asked) >= 20 and "domain_destroy" in asked, asked)

# whoever may see the log sees no secret in it
answer = call(0x71656d64, 16, text(name) + number(0))
if answer[0] == 0:
    true(b"sesame77" not in answer[1], "the password is in the log")
else:
    equal(DENIED, answer[1])
