# said.py URI NAME TEXT [COUNT]
#
# Waits until the guest has written TEXT on its console so many times; what
# it wrote last before this was started counts.

import signal
import sys

import libvirt

uri, name, text = sys.argv[1:4]
count = int(sys.argv[4]) if len(sys.argv) > 4 else 1
seen = b""


def late(signum, frame):
    sys.exit("not %d times %r: %r" % (count, text, seen))


signal.signal(signal.SIGALRM, late)
signal.alarm(100)
conn = libvirt.open(uri)
stream = conn.newStream(0)
conn.lookupByName(name).openConsole(None, stream,
                                    libvirt.VIR_DOMAIN_CONSOLE_FORCE)
while seen.count(text.encode()) < count:
    data = stream.recv(4096)
    if not data:
        sys.exit("the console ended: %r" % seen)
    seen += data
stream.abort()
