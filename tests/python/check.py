# What the scripts of this folder share.  A check that fails ends the script
# with a line that says which, and where.

import inspect
import sys
import time

import libvirt

# errors are looked at, not printed
libvirt.registerErrorHandler(lambda ctx, error: None, None)


def fail(text):
    lines = [f.lineno for f in inspect.stack()[1:]
             if not f.filename.endswith("check.py")]
    sys.exit("%s, line %s: %s" % (sys.argv[0], lines[0], text))


def equal(want, got):
    if want != got:
        fail("%r, not %r" % (got, want))


def true(got, text="it is not so"):
    if not got:
        fail(text)


def refused(code, domain, text, function, *args):
    """The call fails with these numbers, and text is in its message."""
    try:
        result = function(*args)
    except libvirt.libvirtError as error:
        said = (error.get_error_code(), error.get_error_domain(),
                error.get_error_message())
        if said[:2] != (code, domain) or text not in said[2]:
            fail("%r, not %r" % (said, (code, domain, text)))
        if error.get_error_level() != libvirt.VIR_ERR_ERROR:
            fail("level %d" % error.get_error_level())
        return said[2]
    fail("%r, not %r" % (result, (code, domain, text)))


def xml(name, devices="", extra="", memory="<memory unit='MiB'>16</memory>",
        vcpu="<vcpu>1</vcpu>", kind="qemu",
        os="<os><type arch='x86_64' machine='pc'>hvm</type></os>"):
    """A domain that boots nothing."""
    return ("<domain type='%s'>\n<name>%s</name>\n%s\n%s\n%s\n%s\n"
            "<features><acpi/></features>\n<devices>%s</devices>\n</domain>"
            % (kind, name, extra, memory, vcpu, os, devices))


def until(condition, seconds=30):
    """Runs libvirt's event loop until it is so."""
    end = time.monotonic() + seconds
    tick = libvirt.virEventAddTimeout(20, lambda timer, arg: None, None)
    while not condition():
        if time.monotonic() > end:
            fail("it never came")
        libvirt.virEventRunDefaultImpl()
    libvirt.virEventRemoveTimeout(tick)
