# readonly.py FULL RO: what those who may only read can do, and what not: on
# the read-only socket, whatever they say that they want, and on the other
# one if they said so.  The domain "look" runs, and has a VNC password.

import sys

import libvirt
from check import equal, fail, true, xml

full_uri, ro_uri = sys.argv[1:]
DENIED = libvirt.VIR_ERR_OPERATION_DENIED
SECRET = "sesame77"
full = libvirt.open(full_uri)
look = full.lookupByName("look")


def everything():
    """All there is to change."""
    return [(dom.UUIDString(), dom.name(), dom.ID(), dom.state(),
             dom.autostart(), dom.isPersistent(),
             dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE),
             dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE |
                         libvirt.VIR_DOMAIN_XML_INACTIVE))
            for dom in full.listAllDomains()]


def conn_reads(conn):
    return [
        conn.getType(), conn.getLibVersion(), conn.getVersion(),
        conn.getHostname(), conn.getInfo(), conn.getCapabilities(),
        conn.getSysinfo(), conn.getMaxVcpus(None), conn.getCPUMap(),
        conn.getSecurityModel(), conn.isSecure(), conn.isAlive(),
        conn.numOfDomains(), conn.listDomainsID(),
        conn.numOfDefinedDomains(), conn.listDefinedDomains(),
        [(d.name(), d.UUIDString(), d.ID()) for d in conn.listAllDomains()],
        conn.numOfNetworks(), conn.listNetworks(),
        conn.numOfDefinedNetworks(), conn.listDefinedNetworks(),
        conn.listAllNetworks(),
        conn.numOfStoragePools(), conn.listStoragePools(),
        conn.numOfDefinedStoragePools(), conn.listDefinedStoragePools(),
        conn.listAllStoragePools(),
        conn.numOfInterfaces(), conn.listInterfaces(),
        conn.numOfDefinedInterfaces(), conn.listDefinedInterfaces(),
        conn.listAllInterfaces(),
        conn.numOfSecrets(), conn.listSecrets(), conn.listAllSecrets(),
        conn.numOfNWFilters(), conn.listNWFilters(),
        conn.listAllNWFilters(), conn.listAllNWFilterBindings(),
        conn.numOfDevices(None), conn.listDevices(None),
        conn.listAllDevices()]


def dom_reads(dom):
    return [
        dom.name(), dom.UUIDString(), dom.ID(), dom.OSType(),
        dom.maxMemory(), dom.info()[:4], dom.state(), dom.isActive(),
        dom.isPersistent(), dom.isUpdated(), dom.autostart(),
        dom.maxVcpus(), dom.vcpusFlags(0),
        dom.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG),
        dom.hasManagedSaveImage(), dom.snapshotNum(),
        dom.hasCurrentSnapshot(), dom.securityLabel(),
        dom.securityLabelList(), dom.messages(), dom.jobInfo(),
        dom.controlInfo()[0],
        dom.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None),
        dom.XMLDesc(), dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE),
        dom.XMLDesc(libvirt.VIR_DOMAIN_XML_UPDATE_CPU)]


def writes(conn):
    """Each call that changes, connects to, or reveals something."""
    dom = conn.lookupByName("look")
    off = conn.lookupByName("off")
    stream = conn.newStream()
    yield from {
        "create": off.create,
        "createWithFlags": lambda: off.createWithFlags(0),
        "createXML": lambda: conn.createXML(xml("new"), 0),
        "defineXML": lambda: conn.defineXML(xml("new")),
        "defineXMLFlags": lambda: conn.defineXMLFlags(xml("new"), 0),
        "undefine": off.undefine,
        "undefineFlags": lambda: off.undefineFlags(0),
        "destroy": dom.destroy,
        "destroyFlags": lambda: dom.destroyFlags(0),
        "shutdown": dom.shutdown,
        "shutdownFlags": lambda: dom.shutdownFlags(0),
        "reboot": lambda: dom.reboot(0),
        "reset": lambda: dom.reset(0),
        "suspend": dom.suspend,
        "resume": dom.resume,
        "setAutostart": lambda: off.setAutostart(1),
        "rename": lambda: off.rename("else"),
        "setMetadata": lambda: dom.setMetadata(
            libvirt.VIR_DOMAIN_METADATA_TITLE, "t", None, None, 0),
        "openConsole": lambda: dom.openConsole(None, stream, 0),
        "secure": lambda: dom.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE),
        "secure inactive": lambda: off.XMLDesc(
            libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE),
        "migratable": lambda: dom.XMLDesc(
            libvirt.VIR_DOMAIN_XML_MIGRATABLE),
        "agent": lambda: dom.vcpusFlags(libvirt.VIR_DOMAIN_VCPU_GUEST),
    }.items()


def unsupported(conn):
    """What there is not yet: refused as well, in one way or the other."""
    dom = conn.lookupByName("look")
    yield from (
        lambda: dom.attachDevice("<disk/>"), lambda: dom.save("/x"),
        lambda: dom.coreDump("/x"), lambda: dom.setMemory(8192),
        lambda: dom.managedSave(), lambda: dom.screenshot(
            conn.newStream(), 0), lambda: dom.openGraphicsFD(0),
        lambda: dom.sendKey(0, 0, [1], 1), lambda: dom.injectNMI(),
        lambda: conn.networkCreateXML("<network/>"),
        lambda: conn.storagePoolDefineXML("<pool/>", 0),
        lambda: conn.secretDefineXML("<secret/>"))


before = everything()
expected = conn_reads(full), dom_reads(look)
true(SECRET in before[[b[1] for b in before].index("look")][6])

for how, conn in (("rw on ro", libvirt.open(ro_uri)),
                  ("ro on ro", libvirt.openReadOnly(ro_uri)),
                  ("ro on full", libvirt.openReadOnly(full_uri))):
    got = conn_reads(conn), dom_reads(conn.lookupByName("look"))
    equal(expected, got)
    true(SECRET not in repr(got), how)
    for name, write in writes(conn):
        try:
            fail("%s: %s: %r" % (how, name, write()))
        except libvirt.libvirtError as error:
            said = error.get_error_message()
            if error.get_error_code() != DENIED or not said.startswith(
                    "operation forbidden: "):
                fail("%s: %s: %d, %s" % (how, name, error.get_error_code(),
                                         said))
            if how == "rw on ro" and not said.startswith(
                    "operation forbidden: read only access prevents vir"):
                fail("%s: %s: %s" % (how, name, said))
    for write in unsupported(conn):
        try:
            fail("%s: %r" % (how, write()))
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (
                    DENIED, libvirt.VIR_ERR_NO_SUPPORT,
                    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED):
                fail("%s: %s" % (how, error))
    equal(before, everything())
