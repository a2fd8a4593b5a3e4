# typed.py URI NAME TYPED TEXT
#
# Types a line on the guest's console, again and again until the guest has
# written TEXT there.

import signal
import sys

import libvirt

uri, name, typed, text = sys.argv[1:]
seen = b""


def late(signum, frame):
    sys.exit("not %r: %r" % (text, seen))


signal.signal(signal.SIGALRM, late)
signal.alarm(100)
conn = libvirt.open(uri)
stream = conn.newStream(0)
conn.lookupByName(name).openConsole(None, stream,
                                    libvirt.VIR_DOMAIN_CONSOLE_FORCE)
stream.send(b"\n" + typed.encode() + b"\n")
while text.encode() not in seen:
    data = stream.recv(4096)
    if not data:
        sys.exit("the console ended: %r" % seen)
    seen += data
stream.abort()
