# Those who may only read, with stock clients: they see everything but
# secrets, and change nothing.

. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/virsh.sh"

a_case() {
	atf_test_case "$1" cleanup
	eval "$1_head() {
		atf_set descr '$2'
		atf_set require.user root
		atf_set require.progs 'virsh qemu-system-x86_64 /usr/bin/python3'
	}
	$1_cleanup() {
		clients_stop
		suite_stop
	}"
}

# Two domains: one runs and has secrets, one does not.
two_domains() {
	suite_system
	clients
	tiny_xml look "<serial type='pty'/><interface type='user'/>
	    <graphics type='vnc' port='-1' passwd='sesame77'/>" |
	    sed "s,</name>,&<title>to look at</title>," >look.xml
	tiny_xml off >off.xml
	atf_check -o ignore ./v define look.xml
	atf_check -o ignore ./v define off.xml
	atf_check -o ignore ./v start look
}

# reads VIRSH...: that virsh sees it all, as whoever may do more does.
reads() {
	all="list --all; list --all --title; dominfo off; domid look;
	    domstate look --reason; domuuid look; domname $(./v domuuid off);
	    dumpxml look; dumpxml look --inactive; dumpxml look --update-cpu;
	    dumpxml off; desc look --title; vncdisplay look; ttyconsole look;
	    domdisplay look; domblklist look; domiflist look; vcpucount look;
	    domcontrol look; maxvcpus; sysinfo; nodeinfo; capabilities;
	    hostname; version; net-list --all; pool-list --all;
	    iface-list --all; secret-list; nwfilter-list; nodedev-list"
	./v "$all" >want
	atf_check -o save:got "$@" "$all"
	atf_check cmp want got
	atf_check -s exit:1 grep sesame77 got
	atf_check -s exit:1 -o ignore -e match:"metadata not found" \
	    "$@" metadata look urn:x
	atf_check -o not-match:sesame77 -e ignore -s ignore \
	    "$@" domdisplay look --include-password
}

# forbidden VIRSH...: that virsh can change nothing.
forbidden() {
	while read -r command; do
		# shellcheck disable=SC2086
		"$@" $command >out 2>err && atf_fail "$* $command"
		grep -q "^error: operation forbidden: " err || {
			cat err >&2
			atf_fail "$* $command"
		}
	done <<-EOF
	start off
	create off.xml
	create off.xml --paused
	define off.xml
	undefine off
	undefine off --nvram
	destroy look
	destroy look --graceful
	shutdown look
	shutdown look --mode acpi
	reboot look
	reset look
	suspend look
	resume look
	autostart off
	autostart off --disable
	domrename off on
	desc look x
	desc look --title x
	metadata look urn:x --key k --set <x/>
	metadata look urn:x --remove
	dumpxml look --security-info
	dumpxml look --migratable
	dumpxml off --security-info
	vcpucount look --guest
	qemu-monitor-command look --hmp info
	EOF
	atf_check -s exit:1 -o match:"operation forbidden: " \
	    /usr/bin/python3 "$SRCDIR/tests/python/on_tty.py" -- "$@" \
	    console look
	what_there_is >now
	atf_check cmp before now
}

what_there_is() {
	./v "list --all; dominfo look; dumpxml --security-info look;
	    dumpxml --security-info --inactive look; dominfo off;
	    dumpxml --security-info off" | grep -v "^CPU time"
}

a_case virsh "virsh: on the read-only socket, and with -r on the other"
virsh_body() {
	two_domains
	what_there_is >before
	client rw_on_ro virsh -c "'$RO'"
	client ro_on_full virsh -r -c "'$FULL'"
	for how in ./vr ./rw_on_ro ./ro_on_full; do
		reads $how
		forbidden $how
	done

	# anybody may look, and nobody else do more
	atf_check -o match:"look +running" setpriv --reuid nobody \
	    --regid nogroup --clear-groups virsh -r -c "$RO" list
	atf_check -s exit:1 -o ignore -e match:"Permission denied" \
	    setpriv --reuid nobody --regid nogroup --clear-groups \
	    virsh -r -c "$FULL" list

	# and hear what happens
	client events_of stdbuf -oL virsh -r -c "'$RO'" event --all --loop
	events_start look
	atf_check -o ignore ./v suspend look
	events look "Suspended Paused"
}

a_case library "All calls of the library"
library_body() {
	two_domains
	atf_check timeout 200 /usr/bin/python3 -B \
	    "$SRCDIR/tests/python/readonly.py" "$FULL" "$RO"
}

a_case frames "Whoever does without the library is refused no less"
frames_body() {
	two_domains
	what_there_is >before
	uuid=$(./v domuuid look)
	raw="timeout 100 /usr/bin/python3 -B $SRCDIR/tests/python/raw.py"
	for flags in 0 1; do
		atf_check $raw "$SYS/run/qemud-ro" "$SRCDIR/rpc/procs.h" \
		    $flags look
		atf_check $raw "$SYS/run/qemud-ro" "$SRCDIR/rpc/procs.h" \
		    $flags look "$uuid"
	done
	atf_check $raw "$SYS/run/qemud" "$SRCDIR/rpc/procs.h" 1 look "$uuid"
	what_there_is >now
	atf_check cmp before now
}

atf_init_test_cases() {
	atf_add_test_case virsh
	atf_add_test_case library
	atf_add_test_case frames
}
