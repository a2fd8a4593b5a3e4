# connected.py FULL RO
#
# Stays connected to both.  For each line that it reads, it says how they are:
# "ok ok", "ok gone", ...

import sys

import libvirt

libvirt.registerErrorHandler(lambda ctx, err: None, None)
conns = [libvirt.open(sys.argv[1]), libvirt.openReadOnly(sys.argv[2])]


def how(conn):
    try:
        conn.getHostname()
        return "ok"
    except libvirt.libvirtError:
        return "gone"


print("connected", flush=True)
for line in sys.stdin:
    print(*[how(conn) for conn in conns], flush=True)
