# events.py URI RO: events through libvirt's event loop.

import sys

import libvirt
from check import equal, true, until, xml

uri, ro_uri = sys.argv[1:]
libvirt.virEventRegisterDefaultImpl()
conn = libvirt.open(uri)
names = {name[len("VIR_DOMAIN_EVENT_"):]: value
         for name, value in vars(libvirt).items()
         if name.startswith("VIR_DOMAIN_EVENT_")}


def collect(to):
    def callback(conn, dom, event, detail, arg):
        to.append((dom.name(), event, detail))
    return callback


everything, of_one, by_ro, old = [], [], [], []
one = conn.defineXML(xml("one"))
two = conn.defineXML(xml("two"))
LIFECYCLE = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
all_id = conn.domainEventRegisterAny(None, LIFECYCLE, collect(everything),
                                     None)
one_id = conn.domainEventRegisterAny(one, LIFECYCLE, collect(of_one), None)
true(all_id != one_id)
# the interface from before callbacks had numbers, beside it
conn2 = libvirt.open(uri)


def old_callback(conn, dom, event, detail, arg):
    old.append((dom.name(), event, detail))


conn2.domainEventRegister(old_callback, None)
ro = libvirt.openReadOnly(ro_uri)
ro.domainEventRegisterAny(None, LIFECYCLE, collect(by_ro), None)

START = [("RESUMED", "RESUMED_UNPAUSED"), ("STARTED", "STARTED_BOOTED")]
DESTROY = [("SHUTDOWN", "SHUTDOWN_HOST"), ("STOPPED", "STOPPED_DESTROYED")]


def pairs(dom, *events):
    return [(dom, names[event], names[detail])
            for several in events for event, detail in several]


one.create()
one.suspend()
one.resume()
one.destroy()
two.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
two.destroy()
temp = conn.createXML(xml("temp"), 0)
temp.destroy()
want_one = pairs("one", START, [("SUSPENDED", "SUSPENDED_PAUSED"),
                                ("RESUMED", "RESUMED_UNPAUSED")], DESTROY)
want = want_one + pairs(
    "two", [("STARTED", "STARTED_BOOTED"),
            ("SUSPENDED", "SUSPENDED_PAUSED")], DESTROY) + pairs(
    "temp", START, DESTROY, [("UNDEFINED", "UNDEFINED_REMOVED")])
for got in everything, by_ro, old:
    until(lambda: len(got) >= len(want))
    equal(want, got)
equal(want_one, of_one)

# other kinds of events
others = []
ids = [conn.domainEventRegisterAny(
    None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT,
    lambda conn, dom, arg: others.append(("reboot", dom.name(), arg)), "x"),
    conn.domainEventRegisterAny(
    two, libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
    lambda conn, dom, kind, uri, arg: others.append((kind, uri)), None)]
one.create()
one.reset()
until(lambda: ("reboot", "one", "x") in others)
others.clear()
for dom in one, two:
    dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "t", None, None, 0)
    dom.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<e/>", "k",
                    "urn:k", 0)
until(lambda: len([o for o in others if o[0] != "reboot"]) >= 2)
equal([(libvirt.VIR_DOMAIN_METADATA_TITLE, None),
       (libvirt.VIR_DOMAIN_METADATA_ELEMENT, "urn:k")],
      [o for o in others if o[0] != "reboot"])

# every event there is can be asked for
every = [conn2.domainEventRegisterAny(None, event, lambda *a: None, None)
         for name, event in names.items() if name.startswith("ID_")]
true(len(every) >= 26)
equal(len(every), len(set(every)))
for number in every:
    conn2.domainEventDeregisterAny(number)
for register, deregister in (
        (conn2.networkEventRegisterAny, conn2.networkEventDeregisterAny),
        (conn2.storagePoolEventRegisterAny,
         conn2.storagePoolEventDeregisterAny),
        (conn2.nodeDeviceEventRegisterAny,
         conn2.nodeDeviceEventDeregisterAny),
        (conn2.secretEventRegisterAny, conn2.secretEventDeregisterAny)):
    deregister(register(None, 0, lambda *a: None, None))

# whoever has had enough hears no more, the others do
for got in everything, of_one, by_ro, old:
    got.clear()
conn.domainEventDeregisterAny(all_id)
conn2.domainEventDeregister(old_callback)
one.destroy()
two.create()
two.destroy()
until(lambda: len(by_ro) == 2 + 4)
conn.getLibVersion()  # what was on its way has come
until(lambda: len(of_one) == 2)
equal(pairs("one", DESTROY), of_one)
equal(([], []), (everything, old))
conn.domainEventDeregisterAny(one_id)
for number in ids:
    conn.domainEventDeregisterAny(number)

# a burst of them: none is lost, and all come in order
one.undefine()
by_ro.clear()
for n in range(300):
    conn.defineXML(xml("burst%d" % n))
until(lambda: len(by_ro) >= 301)
equal(pairs("one", [("UNDEFINED", "UNDEFINED_REMOVED")]) +
      [("burst%d" % n, names["DEFINED"], names["DEFINED_ADDED"])
       for n in range(300)], by_ro)
