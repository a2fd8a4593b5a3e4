# defines.py URI FILE
#
# Defines domains d0, d1, ... and removes every third again, until FILE is
# there, while the daemon keeps being killed: connects again, and says what it
# got an answer for: "defined NAME", "undefined NAME".

import os
import sys
import time

import libvirt

libvirt.registerErrorHandler(lambda ctx, err: None, None)
uri, enough = sys.argv[1:]
xml = """<domain type='qemu'><name>%s</name>
<uuid>00000000-0000-4000-8000-%012d</uuid>
<memory unit='MiB'>16</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>
<description>%s</description></domain>"""
conn = None


def insist(what):
    global conn
    for i in range(400):
        try:
            if conn is None:
                conn = libvirt.open(uri)
            return what(conn)
        except libvirt.libvirtError as e:
            if e.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None         # it was done, and the answer was lost
            conn = None
            time.sleep(0.05)
    sys.exit("never")


n = 0
while not os.path.exists(enough):
    n += 1
    name = "d%d" % n
    insist(lambda c: c.defineXML(xml % (name, n, "x" * 20000)))
    print("defined", name, flush=True)
    if n % 3 == 2:
        insist(lambda c: c.lookupByName(name).undefine())
        print("undefined", name, flush=True)
