# close.py URI READY: clients are told that the daemon has died.  Makes the
# file READY, and waits for that.

import sys

import libvirt
from check import equal, refused, until

uri, ready = sys.argv[1:]
libvirt.virEventRegisterDefaultImpl()
reasons = []
conns = [libvirt.open(uri) for n in range(20)]
for conn in conns:
    conn.registerCloseCallback(lambda conn, reason, arg:
                               reasons.append((reason, arg)), "x")
quiet = libvirt.open(uri)
quiet.registerCloseCallback(lambda *a: reasons.append(a), None)
quiet.unregisterCloseCallback()
# and by keepalive, if it does not even close its socket
for conn in conns:
    conn.setKeepAlive(1, 3)
open(ready, "w").close()
until(lambda: len(reasons) >= len(conns), 60)
equal({(int(sys.argv[3]) if len(sys.argv) > 3 else
        libvirt.VIR_CONNECT_CLOSE_REASON_EOF, "x")}, set(reasons))
equal(len(conns), len(reasons))
for conn in conns:
    equal(0, conn.isAlive())
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "closed",
            conn.listAllDomains)
