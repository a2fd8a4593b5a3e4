# close.py URI READY [silent]: clients are told that the daemon has died, or
# notice that it is silent.  Makes the file READY, and waits for that.

import sys
import time

import libvirt
from check import equal, refused, until

uri, ready = sys.argv[1:3]
reason = (libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE if len(sys.argv) > 3
          else libvirt.VIR_CONNECT_CLOSE_REASON_EOF)
libvirt.virEventRegisterDefaultImpl()
reasons = []
conns = [libvirt.open(uri) for n in range(20)]
for conn in conns:
    conn.registerCloseCallback(lambda conn, reason, arg:
                               reasons.append((reason, arg)), "x")
if len(sys.argv) > 3:
    for conn in conns:
        conn.setKeepAlive(1, 3)
    # longer than they would stay if nobody answered
    end = time.monotonic() + 5
    until(lambda: time.monotonic() > end)
    equal([], reasons)
else:
    # one who does not want to know
    conn = libvirt.open(uri)
    conn.registerCloseCallback(lambda *a: reasons.append(a), None)
    conn.unregisterCloseCallback()
open(ready, "w").close()
until(lambda: len(reasons) >= len(conns), 60)
equal({(reason, "x")}, set(reasons))
equal(len(conns), len(reasons))
for conn in conns:
    equal(0, conn.isAlive())
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "closed",
            conn.listAllDomains)
