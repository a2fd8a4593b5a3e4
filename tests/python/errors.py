# errors.py URI EMULATORS IMAGES: what clients are told when something is
# wrong, by the numbers that they tell it apart by.
#
# EMULATORS has qemu-system-dies, which says why, -mute, which does not, and
# -hangs, which never greets; IMAGES is where images may lie.

import sys
import threading
import uuid

import libvirt
from check import equal, refused, true, xml

DOMAIN, QEMU, RPC = (libvirt.VIR_FROM_DOMAIN, libvirt.VIR_FROM_QEMU,
                     libvirt.VIR_FROM_RPC)
XML = libvirt.VIR_ERR_XML_ERROR
UNSUPPORTED = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
FAILED = libvirt.VIR_ERR_OPERATION_FAILED
INVALID = libvirt.VIR_ERR_OPERATION_INVALID

uri, emulators, images = sys.argv[1:]
conn = libvirt.open(uri)
define = conn.defineXML


def disk(path, target="hda"):
    return ("<disk type='file' device='disk'><source file='%s'/>"
            "<target dev='%s'/></disk>" % (path, target))


def new_uuid():
    return "<uuid>%s</uuid>" % uuid.uuid4()


# Not XML: where it stops being that.
for text, where in (
        ("", "line 1, column 1"),
        ("<domain>\n  <name>x</name>\n  <memory>1</memry>\n</domain>",
         "line 3, column 20"),
        (xml("x")[:-9], "line 9, column 1"),
        ("<domain><name>\xff</name", "line 1")):
    for function in (define, lambda t: conn.createXML(t, 0)):
        refused(libvirt.VIR_ERR_XML_DETAIL, DOMAIN, where, function, text)

# Not a domain, or not a possible one: the element, and the line.
refused(XML, DOMAIN, "<network>", define, "<network/>")
refused(XML, DOMAIN, "DOCTYPE", define,
        "<!DOCTYPE domain [<!ENTITY a 'b'>]>" + xml("x"))
refused(libvirt.VIR_ERR_NO_NAME, DOMAIN, "<name>", define,
        "<domain type='qemu'><memory>10000</memory></domain>")
refused(XML, DOMAIN, "'/'", define, xml("a/b"))
refused(XML, DOMAIN, "newline", define, xml("a\nb"))
refused(XML, DOMAIN, "empty", define, xml(""))
refused(XML, DOMAIN, "begin with a dot", define, xml(".version"))
refused(XML, DOMAIN, "255", define, xml("x" * 256))
refused(XML, DOMAIN, "line 3, <uuid>", define,
        xml("x", extra="<uuid>nonsense</uuid>"))
refused(XML, DOMAIN, "line 4, <memory>", define,
        xml("x", memory="<memory>0</memory>"))
refused(XML, DOMAIN, "<memory>", define, xml("x", memory=""))
refused(XML, DOMAIN, "line 5, <vcpu>", define,
        xml("x", vcpu="<vcpu>0</vcpu>"))
refused(XML, DOMAIN, "'hda'", define,
        xml("x", disk("/a") + disk("/b")))
refused(libvirt.VIR_ERR_OS_TYPE, DOMAIN, "linux", define,
        xml("x", os="<os><type arch='x86_64'>linux</type></os>"))

# Possible, but not here.
refused(UNSUPPORTED, DOMAIN, "256 vCPUs", define,
        xml("x", vcpu="<vcpu>256</vcpu>"))
refused(UNSUPPORTED, DOMAIN, "line 4, <memory>", define,
        xml("x", memory="<memory>99999999999999999</memory>"))
refused(UNSUPPORTED, DOMAIN, "'xen'", define, xml("x", kind="xen"))
refused(UNSUPPORTED, DOMAIN, "'mips'", define,
        xml("x", os="<os><type arch='mips'>hvm</type></os>"))
refused(UNSUPPORTED, DOMAIN, "'foo'", define, xml("x", os="<os><type "
        "arch='x86_64' machine='foo'>hvm</type></os>"))
refused(UNSUPPORTED, DOMAIN, "line 3, <numatune>", define,
        xml("x", extra="<numatune/>"))
refused(UNSUPPORTED, DOMAIN, "<hostdev>", define,
        xml("x", "<hostdev mode='subsystem' type='usb'/>"))
refused(UNSUPPORTED, DOMAIN, "on_reboot", define,
        xml("x", extra="<on_poweroff>restart</on_poweroff>"
            "<on_reboot>destroy</on_reboot>"))
refused(UNSUPPORTED, DOMAIN, "VNC password", define,
        xml("x", "<graphics type='vnc' passwd='123456789'/>"))
refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA, DOMAIN, "<frobnicate>",
        conn.defineXMLFlags, xml("x", extra="<frobnicate/>"),
        libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
equal([], conn.listAllDomains())

# Twice the same.
one = define(xml("one"))
message = refused(FAILED, DOMAIN, "'one' already exists", define,
                  xml("one", extra=new_uuid()))
true(one.UUIDString() in message)
refused(FAILED, DOMAIN, "'one' is already defined", define, xml(
    "two", extra="<uuid>%s</uuid>" % one.UUIDString()))
refused(FAILED, DOMAIN, "'one' already exists", conn.createXML,
        xml("one", extra=new_uuid()), 0)
refused(INVALID, QEMU, "'one' already exists", define(xml("two")).rename,
        "one")
for name, text in (("a/b", "'/'"), ("a\nb", "newline"),
                   (".a", "dot")):
    refused(libvirt.VIR_ERR_INVALID_ARG, QEMU, text, one.rename, name)

# Not there.
for function, key in ((conn.lookupByName, "zero"), (conn.lookupByID, 999),
                      (conn.lookupByUUIDString, str(uuid.uuid4()))):
    refused(libvirt.VIR_ERR_NO_DOMAIN, QEMU, str(key), function, key)
two = conn.lookupByName("two")
two.undefine()
for function in (two.info, two.create, two.undefine, two.XMLDesc):
    refused(libvirt.VIR_ERR_NO_DOMAIN, QEMU, two.UUIDString(), function)

# Not in this state.
for function in (one.shutdown, one.destroy, one.suspend, one.resume,
                 one.reboot, one.reset, one.maxVcpus, one.jobInfo,
                 lambda: one.openConsole(None, conn.newStream())):
    refused(INVALID, QEMU, "is not running", function)
one.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
refused(INVALID, QEMU, "already running", one.create)
refused(INVALID, QEMU, "already active", conn.createXML, one.XMLDesc(), 0)
refused(INVALID, QEMU, "active", one.rename, "two")
one.destroy()

# Not with these flags, and not at all.
refused(libvirt.VIR_ERR_INVALID_ARG, QEMU,
        "unsupported flags (0x100000) in virDomainCreateWithFlags",
        one.createWithFlags, 1 << 20)
refused(libvirt.VIR_ERR_INVALID_ARG, QEMU, "unsupported flags",
        conn.listAllDomains, 1 << 30)
refused(libvirt.VIR_ERR_NO_DOMAIN_METADATA, QEMU, "not present",
        one.metadata, libvirt.VIR_DOMAIN_METADATA_ELEMENT, "urn:x")
for function in (lambda: one.attachDevice("<disk/>"),
                 lambda: one.save("/x"), one.memoryStats,
                 conn.getDomainCapabilities):
    refused(libvirt.VIR_ERR_NO_SUPPORT, RPC, "unknown procedure", function)

# What cannot be opened, or run.
message = refused(FAILED, QEMU, "No such file or directory", conn.createXML,
                  xml("x", disk(images + "/nope.img")), 0)
true(images + "/nope.img" in message and "hda" in message)
refused(FAILED, QEMU, "/usr/bin/qemu-system-none: No such file",
        conn.createXML,
        xml("x", "<emulator>/usr/bin/qemu-system-none</emulator>"), 0)
refused(UNSUPPORTED, QEMU, "qemud.conf", conn.createXML,
        xml("x", "<emulator>/bin/sh</emulator>"), 0)


def emulator(which):
    return xml(which, "<emulator>%s/qemu-system-%s</emulator>"
               % (emulators, which))


# A QEMU that does not come up: its last words, or that it had none.
message = refused(FAILED, QEMU, "status 3", conn.createXML,
                  emulator("dies"), 0)
true("\nline 4999: it is cold\nand dark" in message, message)
true("line 1:" not in message, "all of it, not the end of it")
refused(FAILED, QEMU, "QEMU has ended (signal 11)", conn.createXML,
        emulator("mute"), 0)
refused(libvirt.VIR_ERR_OPERATION_TIMEOUT, QEMU, "has not greeted",
        conn.createXML, emulator("hangs"), 0)
equal(["one"], [dom.name() for dom in conn.listAllDomains()])

# One that is defined stays, shows why, and can be tried again.
bad = define(emulator("dies"))
for attempt in range(2):
    refused(FAILED, QEMU, "and dark", bad.create)
    equal([libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED],
          bad.state())

# Destroyed while it starts.
hanging = define(emulator("hangs"))
other = libvirt.open(uri)
ended = []



def start():
    try:
        hanging.create()
    except libvirt.libvirtError as error:
        ended.append(error.get_error_code())


starter = threading.Thread(target=start)
starter.start()
dom = other.lookupByName("hangs")
while not dom.isActive():
    pass
equal([libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP],
      dom.state())
dom.destroy()
starter.join()
equal([libvirt.VIR_ERR_OPERATION_ABORTED], ended)
equal(0, dom.isActive())
