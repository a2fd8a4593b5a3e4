# calls.py URI: what clients ask, from connecting to undefining.

import os
import sys

import libvirt
from check import equal, true, xml

uri = sys.argv[1]

# --- the connection and the host ---
asked = []
conn = libvirt.openAuth(uri, [[libvirt.VIR_CRED_PASSPHRASE],
                              lambda creds, arg: asked.append(creds), None])
equal([], asked)
equal("QEMU", conn.getType())
equal(uri, conn.getURI())
equal(os.uname().nodename, conn.getHostname())
true(conn.getLibVersion() >= 9000000)
version = conn.getVersion()
true(version > 2000000, version)
equal(1, conn.isSecure())
equal(0, conn.isEncrypted())
equal(1, conn.isAlive())
true("<capabilities>" in conn.getCapabilities())
true("<sysinfo type='smbios'>" in conn.getSysinfo())
equal(255, conn.getMaxVcpus("qemu"))
model, mib, cpus, mhz, nodes, sockets, cores, threads = conn.getInfo()
equal(os.uname().machine, model)
equal(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20, mib)
equal(cpus, nodes * sockets * cores * threads)
total, cpu_map, online = conn.getCPUMap()
equal(online, sum(cpu_map))
true(0 < conn.getFreeMemory() <= mib << 20)
equal(["none", "0"], conn.getSecurityModel())

# --- there is nothing yet, of any kind ---
equal(0, conn.numOfDomains())
equal([], conn.listDomainsID())
equal(0, conn.numOfDefinedDomains())
equal([], conn.listDefinedDomains())
equal([], conn.listAllDomains())
for kind in ("Networks", "StoragePools", "Interfaces"):
    for form in ("%s", "Defined%s"):
        equal(0, getattr(conn, "numOf" + form % kind)())
        equal([], getattr(conn, "list" + form % kind)())
for kind in ("Secrets", "NWFilters"):
    equal(0, getattr(conn, "numOf" + kind)())
    equal([], getattr(conn, "list" + kind)())
equal(0, conn.numOfDevices(None))
equal([], conn.listDevices(None))
for kind in ("Networks", "StoragePools", "Interfaces", "Secrets",
             "NWFilters", "NWFilterBindings", "Devices"):
    equal([], getattr(conn, "listAll" + kind)())

# --- a definition ---
dom = conn.defineXML(xml("calls", "<serial type='pty'/>"
                         "<interface type='user'/>"
                         "<graphics type='vnc' passwd='sesame77'/>"))
uuid = dom.UUIDString()
equal("calls", dom.name())
equal(-1, dom.ID())
equal("hvm", dom.OSType())
equal(16384, dom.maxMemory())
equal([libvirt.VIR_DOMAIN_SHUTOFF, 16384, 16384, 1, 0], dom.info())
equal([libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN],
      dom.state())
equal(0, dom.isActive())
equal(1, dom.isPersistent())
equal(0, dom.isUpdated())
equal(0, dom.autostart())
equal(1, dom.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG))
equal(["calls"], conn.listDefinedDomains())
equal(1, conn.numOfDefinedDomains())
equal(uuid, conn.lookupByName("calls").UUIDString())
equal(uuid, conn.lookupByUUID(dom.UUID()).UUIDString())
equal("calls", conn.lookupByUUIDString(uuid).name())

# --- its life ---
equal(0, dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED))
equal([libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER],
      dom.state())
equal(0, dom.resume())
equal([libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_UNPAUSED],
      dom.state())
equal(0, dom.suspend())
equal(0, dom.resume())
equal(0, dom.reset())
equal(libvirt.VIR_DOMAIN_RUNNING, dom.info()[0])
dom = conn.lookupByName("calls")
true(dom.ID() > 0)
equal([dom.ID()], conn.listDomainsID())
equal(1, conn.numOfDomains())
equal("calls", conn.lookupByID(dom.ID()).name())
equal(1, dom.maxVcpus())
equal(1, dom.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE |
                        libvirt.VIR_DOMAIN_VCPU_MAXIMUM))

# what virt-manager, OpenStack and others ask in their first minute
equal(0, dom.hasManagedSaveImage())
equal(0, dom.snapshotNum())
equal(0, dom.hasCurrentSnapshot())
equal(["", False], dom.securityLabel())
equal([], dom.securityLabelList())
equal([], dom.messages())
equal(libvirt.VIR_DOMAIN_CONTROL_OK, dom.controlInfo()[0])
equal(libvirt.VIR_DOMAIN_JOB_NONE, dom.jobInfo()[0])
for flags in range(16):
    text = dom.XMLDesc(flags)
    equal(bool(flags & libvirt.VIR_DOMAIN_XML_SECURE), "sesame77" in text)
    # inactive or migratable: nothing of this one run
    equal(not flags & (libvirt.VIR_DOMAIN_XML_INACTIVE |
                       libvirt.VIR_DOMAIN_XML_MIGRATABLE),
          "<alias name='net0'/>" in text)

# the definition while it runs
again = dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE |
                    libvirt.VIR_DOMAIN_XML_SECURE)
equal(0, dom.isUpdated())
conn.defineXML(again.replace("<vcpu placement='static'>1</vcpu>",
                             "<vcpu placement='static'>2</vcpu>"))
equal(1, dom.isUpdated())
equal(1, dom.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_LIVE))
equal(2, dom.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG))

# title, description, metadata, each for now and for later
LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
for kind, key, ns, value in (
        (libvirt.VIR_DOMAIN_METADATA_TITLE, None, None, "title <%s>"),
        (libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None, None, "a\n%s & c"),
        (libvirt.VIR_DOMAIN_METADATA_ELEMENT, "k", "urn:k", "<e x='%s'/>")):
    dom.setMetadata(kind, value % "live", key, ns, LIVE)
    dom.setMetadata(kind, value % "config", key, ns, CONFIG)
    for flag, name in ((LIVE, "live"), (CONFIG, "config"), (0, "live")):
        got = dom.metadata(kind, ns, flag).replace('"', "'")
        equal(value % name, got)

equal(0, dom.setAutostart(1))
equal(1, dom.autostart())
equal(1, len(conn.listAllDomains(
    libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART)))
equal(0, dom.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL))
equal([libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED],
      dom.state())
equal("a\nconfig & c", dom.metadata(
    libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None))
equal(0, dom.create())
equal(2, conn.lookupByName("calls").maxVcpus())
equal(0, dom.destroy())
equal(0, dom.rename("other"))
equal("other", conn.lookupByUUIDString(uuid).name())
equal(0, conn.lookupByName("other").undefineFlags(
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
    libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
    libvirt.VIR_DOMAIN_UNDEFINE_NVRAM))
equal([], conn.listAllDomains())

# --- transient; a definition started otherwise, once ---
temp = conn.createXML(xml("temp"), libvirt.VIR_DOMAIN_START_PAUSED)
equal(0, temp.isPersistent())
equal(1, temp.isActive())
equal(0, temp.destroy())
equal([], conn.listAllDomains())
dom = conn.defineXML(xml("once"))
text = dom.XMLDesc().replace("<vcpu placement='static'>1<",
                             "<vcpu placement='static'>3<")
equal(dom.UUID(), conn.createXML(text, libvirt.VIR_DOMAIN_START_PAUSED).UUID())
equal(3, dom.maxVcpus())
dom.destroy()
equal(1, dom.vcpusFlags(CONFIG))
dom.undefine()
equal(version, conn.getVersion())
conn.close()

# --- names and texts of all alphabets ---
conn = libvirt.open(uri)
for name in ("größe", "虚拟机", "a b", "-dash", "quote'\"&amp;", "x" * 200):
    dom = conn.defineXML(xml(name, extra="<title>%s</title>" % name))
    dom.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    equal(name.replace("&amp;", "&"), dom.name())
    equal(dom.UUID(), conn.lookupByName(dom.name()).UUID())
    dom.destroy()
    dom.undefine()
true(conn.getURI().endswith(uri.split("/")[-1]))
