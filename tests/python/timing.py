# timing.py URI: how long start and destroy take; says, judges nothing.

import statistics
import sys
import time

import libvirt
from check import xml

conn = libvirt.open(sys.argv[1])
dom = conn.defineXML(xml("timed"))
times = {"start": [], "destroy": []}
for n in range(10):
    for name, call in (("start", dom.create), ("destroy", dom.destroy)):
        before = time.monotonic()
        call()
        times[name].append((time.monotonic() - before) * 1000)
dom.undefine()
for name, values in times.items():
    print("%s: median %.1f ms, least %.1f, most %.1f" % (
        name, statistics.median(values), min(values), max(values)))
