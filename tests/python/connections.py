# connections.py URI RO COUNT: many connections at once, each of use; and
# many one after the other.

import sys
import threading

import libvirt
from check import equal, true, xml

uri, ro_uri, count = sys.argv[1:]
count = int(count)

first = libvirt.open(uri)
dom = first.defineXML(xml("many"))
dom.create()
conns = []
for n in range(count):
    conns.append(libvirt.openReadOnly(ro_uri) if n % 2 else libvirt.open(uri))
for conn in conns:
    equal(["many"], [d.name() for d in conn.listAllDomains()])

# from many threads at once, on many connections and on one
wrong = []


def work(conn):
    for n in range(50):
        if conn.lookupByName("many").info()[0] != libvirt.VIR_DOMAIN_RUNNING:
            wrong.append(n)


threads = [threading.Thread(target=work, args=(conn,))
           for conn in conns[:16] + [first] * 8]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
equal([], wrong)

for conn in conns:
    equal(0, conn.close())
for n in range(count):
    conn = libvirt.openReadOnly(ro_uri)
    true(conn.lookupByName("many").isActive())
    conn.close()

# each has its own definitions to make, all at once
errors = []


def define(n):
    try:
        conn = libvirt.open(uri)
        for i in range(20):
            conn.defineXML(xml("d%d-%d" % (n, i)))
        for i in range(20):
            conn.lookupByName("d%d-%d" % (n, i)).undefine()
    except libvirt.libvirtError as error:
        errors.append(str(error))


threads = [threading.Thread(target=define, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
equal([], errors)
equal(["many"], [d.name() for d in first.listAllDomains()])
dom.destroy()
