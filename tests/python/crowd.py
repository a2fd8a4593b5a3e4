# crowd.py URI COUNT: several clients do whatever they like with the same few
# domains, at once.  What they are told may be that it cannot be done now, and
# no more than that.

import random
import sys
import threading

import libvirt
from check import equal, xml

uri, count = sys.argv[1], int(sys.argv[2])
NAMES = ["crowd1", "crowd2", "crowd3"]
DEVICES = "<serial type='pty'/><graphics type='vnc' port='-1' passwd='x'/>"
MAY_BE = {libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID,
          libvirt.VIR_ERR_OPERATION_FAILED,
          libvirt.VIR_ERR_OPERATION_ABORTED}


def console(conn, dom):
    stream = conn.newStream()
    dom.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    stream.abort()


ON_CONN = [
    lambda conn, r: conn.defineXML(xml(r.choice(NAMES), DEVICES)),
    lambda conn, r: conn.createXML(xml(r.choice(NAMES), DEVICES),
                                   r.randrange(2)),
    lambda conn, r: [dom.info() for dom in conn.listAllDomains()],
]
ON_DOM = [
    lambda conn, dom, r: dom.undefine(),
    lambda conn, dom, r: dom.createWithFlags(r.randrange(2)),
    lambda conn, dom, r: dom.createWithFlags(r.randrange(2)),
    lambda conn, dom, r: dom.destroyFlags(r.randrange(2)),
    lambda conn, dom, r: dom.suspend(),
    lambda conn, dom, r: dom.resume(),
    lambda conn, dom, r: dom.reset(),
    lambda conn, dom, r: dom.reboot(),
    lambda conn, dom, r: dom.shutdown(),
    lambda conn, dom, r: dom.XMLDesc(r.randrange(4)),
    lambda conn, dom, r: dom.setMetadata(
        libvirt.VIR_DOMAIN_METADATA_TITLE, str(r.random()), None, None,
        r.randrange(3)),
    lambda conn, dom, r: dom.setAutostart(r.randrange(2)),
    lambda conn, dom, r: dom.rename(r.choice(NAMES)),
    lambda conn, dom, r: dom.state(),
    lambda conn, dom, r: console(conn, dom),
]
wrong = []


def work(seed):
    r = random.Random(seed)
    conn = libvirt.open(uri)
    for n in range(count):
        try:
            if r.randrange(4) == 0:
                r.choice(ON_CONN)(conn, r)
            else:
                r.choice(ON_DOM)(conn, conn.lookupByName(r.choice(NAMES)), r)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in MAY_BE:
                wrong.append((error.get_error_code(), str(error)))
                return


threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
equal([], wrong)
conn = libvirt.open(uri)
for dom in conn.listAllDomains():
    if dom.isActive():
        dom.destroy()
for dom in conn.listAllDomains():
    dom.undefine()
equal([], conn.listAllDomains())
