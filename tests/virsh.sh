# Stock virsh against an instance of the suite: what the tests of the system
# and of the session instance share.  Sourced after tests/lib.sh, used after
# suite_system or session:
#
#	session			suite_session, with a user made for it
#	session_end		removes the user, after suite_stop
#	clients			./v: virsh on the full socket, as the user of
#				the instance; ./vr: virsh -r on the other one
#	await COMMAND...	until it succeeds, a minute at most
#	client NAME COMMAND...	another program that runs as that user
#	clients_stop		for the cleanup part
#	tiny_xml NAME [XML]	a domain of 16 MiB that boots nothing
#	state NAME STATE [-r]	is it that? (domstate, with its reason)
#	listed NAMES OPTION...	list with these options names just these
#	schema TYPE FILE...	is it right for libvirt's schema?
#	refused TEXT COMMAND...	virsh fails and says why
#	said NAME TEXT [COUNT]	waits until the guest has, on its console
#
# The functions at the end are the bodies of test cases.

session() {
	echo "qemud-test-$$" >user
	useradd -M -d "$SES" -s /bin/sh "$(cat user)" || {
		rm user
		atf_fail "cannot make a user"
	}
	setpriv --reuid "$(cat user)" --regid "$(cat user)" --clear-groups \
	    test -r "$BUILDDIR/guest/initrd" -a -r "$SRCDIR/tests/lib.sh" ||
	    atf_skip "an ordinary user cannot enter $BUILDDIR and $SRCDIR"
	suite_session "$(cat user)"
}

# Nobody else has this user: what is left of it ends.
session_end() {
	[ -s user ] || return 0
	wait_until nobody_left "$(cat user)"
	userdel "$(cat user)"
	rm user
}

nobody_left() {
	left=$(ps -u "$1" -o stat=,pid= | awk '$1 !~ /^Z/ { print $2 }')
	# shellcheck disable=SC2086
	[ -z "$left" ] || kill -KILL $left
	[ -z "$left" ]
}

clients() {
	_as=
	[ ! -f "$SES/user" ] || _as="setpriv --reuid $(cat "$SES/user")
	    --regid $(id -g "$(cat "$SES/user")") --clear-groups env -i
	    HOME=$SES XDG_RUNTIME_DIR=$SES/run PATH=$PATH"
	client said /usr/bin/python3 "$SRCDIR/tests/python/said.py" "'$FULL'"
	client bare virsh
	client v virsh -c "'$FULL'"
	client vr virsh -r -c "'$RO'"
}

client() {
	_name=$1
	shift
	# shellcheck disable=SC2086
	echo "#! /bin/sh
exec timeout 200" $_as "$@" '"$@"' >"$_name"
	chmod 755 "$_name"
}

# As wait_until, for guests that have much to do on a machine that has, too.
await() {
	wait_until "$@" 2>/dev/null || wait_until "$@" 2>/dev/null ||
	    wait_until "$@"
}

clients_stop() {
	[ ! -f events.pid ] || kill "$(cat events.pid)" 2>/dev/null
	rm -f events.pid
}

tiny_xml() {
	cat <<-EOF_XML
	<domain type='qemu'>
	  <name>$1</name>
	  <memory unit='MiB'>16</memory>
	  <vcpu>1</vcpu>
	  <os><type arch='x86_64' machine='pc'>hvm</type></os>
	  <features><acpi/></features>
	  <devices>${2:-}</devices>
	</domain>
	EOF_XML
}

state() {
	[ "$(./v domstate $3 "$1")" = "$2" ]
}

listed() {
	_want=$1
	shift
	_got=$(./v list --name "$@" | sort | xargs)
	[ "$_got" = "$_want" ] ||
	    atf_fail "list $*: \"$_got\", not \"$_want\""
}

schema() {
	_rng=/usr/share/libvirt/schemas/$1.rng
	shift
	[ -e "$_rng" ] || return 0
	atf_check -e ignore xmllint --noout --relaxng "$_rng" "$@"
}

refused() {
	_text=$1
	shift
	atf_check -s exit:1 -o ignore -e match:"$_text" \
	    -e not-match:"internal error" ./v "$@"
}

said() {
	./said "$@" || atf_fail "the guest $1 did not say \"$2\""
}

# --- events ------------------------------------------------------------------

# events_start NAME: from here on all events are lines of the file events.
# NAME is of a domain that may be described.
events_start() {
	./events_of >events &
	echo $! >events.pid
	wait_until events_flow "$1"
}

events_flow() {
	./v desc "$1" --title "waiting for events"
	grep -q metadata-change events
}

# events NAME WORDS...: awaits each of these lifecycle events or "reboot", in
# this order, since the last time.
events() {
	_domain=$1
	shift
	for _event; do
		await event_came "$_domain" "$_event" || {
			cat events >&2
			atf_fail "no event \"$_event\" of $_domain"
		}
	done
}

event_came() {
	case $2 in
	reboot)	_line="event 'reboot' for domain '$1'" ;;
	*)	_line="event 'lifecycle' for domain '$1': $2" ;;
	esac
	_at=$(tail -n "+$((${_seen:-0} + 1))" events |
	    grep -nxF -m 1 "$_line") || return
	_seen=$((${_seen:-0} + ${_at%%:*}))
}

# --- bodies of test cases ------------------------------------------------------

# Connection and host; $1: system or session.
virsh_host() {
	atf_check -o match:"^Running hypervisor: QEMU [0-9]+\.[0-9]+\.[0-9]+" \
	    -o match:"^Using API: QEMU 9\.0\.0" ./v version
	atf_check -o inline:"$FULL\n\n" ./v uri
	case $1 in
	system)	_other=session ;;
	*)	_other=system ;;
	esac
	atf_check -s exit:1 -o ignore \
	    -e match:"qemu:///$_other.* is not served here; qemu:///$1 is" \
	    ./bare -c "$(echo "$FULL" | sed "s,///$1,///$_other,")" uri
	atf_check -o match:"^ Id +Name +State$" ./bare "connect $FULL; list --all"
	atf_check -o match:"^ Id +Name +State$" \
	    ./bare "connect --readonly $RO; list --all"
	atf_check -o inline:"$(uname -n)\n\n" ./v hostname
	cpus=$(nproc --all)
	memory=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
	atf_check -o match:"^CPU model: +$(uname -m)$" \
	    -o match:"^CPU\(s\): +$cpus$" \
	    -o match:"^CPU frequency: +[0-9]+ MHz$" \
	    -o match:"^NUMA cell\(s\): +[0-9]+$" \
	    -o match:"^Memory size: +$memory KiB$" ./v nodeinfo
	# nodes * sockets * cores * threads is the number of processors
	./v nodeinfo | awk -v cpus="$cpus" -F: '
		/^CPU socket|^Core|^Thread|^NUMA/ { n = n ? n * $2 : $2 }
		END { exit n != cpus }' || atf_fail "nodeinfo: $(./v nodeinfo)"
	atf_check -o match:"<os_type>hvm</os_type>" \
	    -o match:"<emulator>/usr/bin/qemu-system-x86_64</emulator>" \
	    -o match:"<domain type='qemu'/>" ./v capabilities
	./v capabilities >capabilities
	schema capability capabilities
	[ -w /dev/kvm ] ||
	    atf_check -o not-match:"type='kvm'" cat capabilities
	atf_check -o inline:"255\n\n" ./v maxvcpus
	atf_check -o inline:"255\n\n" ./v maxvcpus --type qemu
	refused "unknown type 'xen'" maxvcpus --type xen
	atf_check -o match:"^<sysinfo type='smbios'>" ./v sysinfo
	atf_check -o match:"CPUs online: +$(nproc)" ./v nodecpumap
	atf_check -o match:"^Total: +[0-9]+ KiB" ./v freecell

	# there are no objects of other kinds
	for list in net-list pool-list iface-list; do
		atf_check -o not-match:"active" ./v $list --all
	done
	for list in secret-list nwfilter-list nodedev-list \
	    nwfilter-binding-list; do
		atf_check -o ignore ./v $list
	done
	uuid=2854f1b2-c139-4437-82c0-24cd278b749f
	while read -r command; do
		read -r text
		# shellcheck disable=SC2086
		refused "^error: $text$" $command
	done <<-EOF
	net-info default
	Network not found: no network with matching name 'default'
	net-info $uuid
	Network not found: no network with matching name '$uuid'
	net-start default
	Network not found: no network with matching name 'default'
	pool-info default
	Storage pool not found: no storage pool with matching name 'default'
	pool-start default
	Storage pool not found: no storage pool with matching name 'default'
	vol-info disk --pool default
	Storage pool not found: no storage pool with matching name 'default'
	vol-info /srv/disk
	Storage volume not found: no storage vol with matching path '/srv/disk'
	iface-dumpxml eth0
	Interface not found: couldn't find interface named 'eth0'
	secret-dumpxml $uuid
	Secret not found: no secret with matching uuid '$uuid'
	nwfilter-dumpxml clean
	Network filter not found: no nwfilter with matching name 'clean'
	nwfilter-binding-dumpxml vnet0
	Network filter binding not found: no nwfilter binding for port dev 'vnet0'
	nodedev-dumpxml computer
	Node device not found: no node device with matching name 'computer'
	EOF
	refused "failed to get domain 'web'" domstate web
	# what there is not yet is not supported, which clients can tell from
	# a failure
	refused "unknown procedure: " domcapabilities
}

# A definition, from the first line to the last.
virsh_definition() {
	guest_xml web1 >web1.xml
	uuid=2854f1b2-c139-4437-82c0-24cd278b749f
	sed -i "s,</name>,</name><uuid>$uuid</uuid>," web1.xml
	atf_check -o inline:"Domain 'web1' defined from web1.xml\n\n" \
	    ./v define web1.xml --validate
	atf_check -o inline:"$uuid\n\n" ./v domuuid web1
	atf_check -o inline:"web1\n\n" ./v domname $uuid
	atf_check -o inline:"-\n\n" ./v domid web1
	atf_check -o inline:"shut off\n\n" ./v domstate web1
	atf_check -o match:"^Name: +web1$" -o match:"^UUID: +$uuid$" \
	    -o match:"^Id: +-$" -o match:"^OS Type: +hvm$" \
	    -o match:"^State: +shut off$" -o match:"^CPU\(s\): +1$" \
	    -o match:"^Max memory: +196608 KiB$" \
	    -o match:"^Used memory: +196608 KiB$" \
	    -o match:"^Persistent: +yes$" -o match:"^Autostart: +disable$" \
	    -o match:"^Managed save: +no$" ./v dominfo web1
	atf_check -s exit:1 -o ignore ./v ttyconsole web1
	refused "Domain is not running" vncdisplay web1

	# what is printed can be read again, and changes nothing
	./v dumpxml --inactive --security-info web1 >printed.xml
	schema domain printed.xml
	atf_check -o ignore ./v define printed.xml
	./v dumpxml --inactive --security-info web1 >again.xml
	atf_check cmp printed.xml again.xml

	# title, description, metadata
	atf_check -o ignore ./v desc web1 --title "The web, part <1>"
	atf_check -o inline:"The web, part <1>\n" ./v desc web1 --title
	atf_check -o match:"web1 +shut off +The web, part <1>" \
	    -o match:"Title" ./v list --all --title
	atf_check -o ignore ./v desc web1 "Two lines of
description & more"
	atf_check -o inline:"Two lines of\ndescription & more\n" ./v desc web1
	refused "title" desc web1 --title "one
two"
	atf_check -o ignore ./v desc web1 --title ""
	atf_check -o match:"^No title for domain" ./v desc web1 --title
	refused "metadata not found" metadata web1 http://example.org/x
	atf_check -o ignore ./v metadata web1 http://example.org/x --key x \
	    --set '<owner team="a"><b/></owner>'
	atf_check -o match:'<owner team="a">' ./v metadata web1 \
	    http://example.org/x
	atf_check -o match:'<x:owner xmlns:x="http://example.org/x"' \
	    ./v dumpxml web1
	refused "not well-formed" metadata web1 http://example.org/x --key x --set '<owner'
	atf_check -o ignore ./v metadata web1 http://example.org/x --remove
	refused "metadata not found" metadata web1 http://example.org/x
	./v dumpxml web1 >web1.live
	schema domain web1.live

	# autostart, renaming
	atf_check -o inline:"Domain 'web1' marked as autostarted\n\n" \
	    ./v autostart web1
	atf_check -o match:"^Autostart: +enable$" ./v dominfo web1
	atf_check -o ignore ./v domrename web1 web-2
	atf_check -o inline:"web-2\n\n" ./v domname $uuid
	atf_check -o match:"^Autostart: +enable$" ./v dominfo web-2
	refused "failed to get domain 'web1'" domstate web1
	refused "name" domrename web-2 a/b
	atf_check -o ignore ./v autostart web-2 --disable
	atf_check -o match:"^Autostart: +disable$" ./v dominfo web-2
	tiny_xml web1 >tiny.xml
	atf_check -o ignore ./v define tiny.xml
	refused "'web1' already exists" domrename web-2 web1

	atf_check -o inline:"Domain 'web-2' has been undefined\n\n" \
	    ./v undefine web-2
	atf_check -o ignore ./v undefine web1 --nvram --managed-save \
	    --snapshots-metadata --checkpoints-metadata
	listed "" --all
	refused "failed to get domain 'web1'" undefine web1
}

# Each filter of list, on domains of all kinds.
virsh_list() {
	for name in off auto; do
		tiny_xml $name >$name.xml
		atf_check -o ignore ./v define $name.xml
	done
	atf_check -o ignore ./v autostart auto
	for name in pause run; do
		tiny_xml $name >$name.xml
		atf_check -o ignore ./v define $name.xml
	done
	atf_check -o ignore ./v start --paused pause
	atf_check -o ignore ./v start run
	tiny_xml temp >temp.xml
	atf_check -o inline:"Domain 'temp' created from temp.xml\n\n" \
	    ./v create --paused temp.xml

	listed "pause run temp"
	listed "auto off pause run temp" --all
	listed "auto off" --inactive
	listed "auto off pause run" --all --persistent
	listed "temp" --all --transient
	listed "" --inactive --transient
	listed "run" --state-running
	listed "pause temp" --state-paused
	listed "auto off" --state-shutoff
	listed "auto off run" --all --state-shutoff --state-running
	listed "" --all --state-other
	listed "auto" --all --autostart
	listed "off pause run temp" --all --no-autostart
	listed "" --all --with-snapshot
	listed "auto off pause run temp" --all --without-snapshot
	listed "" --all --with-managed-save
	listed "auto off pause run temp" --all --without-managed-save
	listed "" --all --with-checkpoint
	listed "auto off pause run temp" --all --without-checkpoint
	listed "pause" --state-paused --persistent
	listed "auto" --inactive --autostart --persistent

	atf_check -o match:"^ [0-9]+ +run +running$" \
	    -o match:"^ - +off +shut off$" -o match:"^ [0-9]+ +temp +paused$" \
	    ./v list --all
	atf_check -o match:"^$(./v domuuid run)$" ./v list --uuid
	atf_check -o inline:"$(./v domid run) run\n\n" ./v list --id --name \
	    --state-running
	atf_check -o match:"off +shut off" ./v list --all --managed-save

	# a transient domain
	atf_check -o match:"^Persistent: +no$" ./v dominfo temp
	refused "transient" autostart temp
	refused "transient" undefine temp
	refused "already" create temp.xml
	refused "already exists with uuid" create off.xml
	# becomes persistent when it is defined, and again not
	atf_check -o ignore sh -c './v dumpxml temp --inactive >temp.inactive'
	atf_check -o ignore ./v define temp.inactive
	listed "" --all --transient
	atf_check -o ignore ./v undefine temp
	listed "temp" --all --transient
	atf_check -o inline:"Domain 'temp' destroyed\n\n" ./v destroy temp
	listed "auto off pause run" --all

	# a defined one, undefined while it runs, is gone when it ends
	atf_check -o ignore ./v undefine run
	listed "run" --transient
	atf_check -o ignore ./v destroy run --graceful
	listed "auto off pause" --all
	refused "domain is not running" destroy off

	# one whose QEMU comes to a bad end
	atf_check -o ignore ./v start off
	kill -KILL "$(pgrep -f -- "-uuid $(./v domuuid off)")"
	wait_until state off "shut off (crashed)" --reason ||
	    atf_fail "off: $(./v domstate off --reason)"
	atf_check -o ignore ./v start --paused off
	atf_check -o ignore ./v destroy off
	atf_check -o ignore ./v destroy pause
	atf_check -o inline:"shut off (destroyed)\n\n" \
	    ./v domstate pause --reason
}

# What a running domain shows.  $1, $2: images that may be opened.
virsh_look() {
	tiny_xml look "
	    <serial type='pty'/>
	    <disk type='file' device='disk'>
	      <source file='$1'/><target dev='hda'/>
	    </disk>
	    <disk type='file' device='disk'>
	      <driver name='qemu' type='raw'/>
	      <source file='$2'/><target dev='vda'/><readonly/>
	    </disk>
	    <disk type='file' device='cdrom'>
	      <target dev='hdc'/>
	    </disk>
	    <interface type='user'><mac address='52:54:00:01:02:03'/></interface>
	    <interface type='user'><model type='virtio'/></interface>
	    <graphics type='vnc' port='-1' passwd='sesame77'/>" >look.xml
	atf_check -o ignore ./v define look.xml
	atf_check -o ignore ./v start look
	id=$(./v domid look)
	atf_check -o inline:"look\n\n" ./v domname "$id"
	atf_check -o inline:"running (booted)\n\n" ./v domstate look --reason
	atf_check -o match:"^Id: +$id$" -o match:"^State: +running$" \
	    -o match:"^CPU time: +[0-9.]+s$" ./v dominfo look
	atf_check -o match:"^ hda +$1$" -o match:"^ vda +$2$" \
	    -o match:"^ hdc +-$" ./v domblklist look
	atf_check -o match:"^ file +disk +hda +$1$" \
	    -o match:"^ file +cdrom +hdc +-$" ./v domblklist look --details
	atf_check -o match:"^ - +user +- +rtl8139 +52:54:00:01:02:03$" \
	    -o match:"^ - +user +- +virtio +52:54:00:" ./v domiflist look
	atf_check -o match:"^ - +user" ./v domiflist look --inactive

	# the terminal is there, and is the one in the XML
	tty=$(./v ttyconsole look)
	[ -c "$tty" ] || atf_fail "ttyconsole: \"$tty\""
	atf_check -o match:"<source path='$tty'/>" \
	    -o match:"<console type='pty' tty='$tty'>" ./v dumpxml look

	# and so is the display, which asks for its password
	display=$(./v vncdisplay look)
	case $display in
	127.0.0.1:[0-9]*) ;;
	*) atf_fail "vncdisplay: $display" ;;
	esac
	port=$((${display#*:} + 5900))
	atf_check -o inline:"vnc://$display\n" ./v domdisplay look
	atf_check -o inline:"vnc://:sesame77@$display\n" \
	    ./v domdisplay look --include-password
	atf_check -o match:"port='$port' autoport='yes' listen='127.0.0.1'" \
	    -o match:"<listen type='address' address='127.0.0.1'/>" \
	    ./v dumpxml look
	atf_check -o inline:"RFB 003.008 2\n" /usr/bin/python3 \
	    "$SRCDIR/tests/python/vnc.py" "$port"

	# all forms of its XML are right
	for form in "" --inactive --security-info --migratable --update-cpu \
	    "--inactive --security-info"; do
		# shellcheck disable=SC2086
		./v dumpxml look $form >dumped.xml ||
		    atf_fail "dumpxml $form"
		schema domain dumped.xml
		case $form in
		*security*) atf_check -o match:"passwd='sesame77'" \
			    cat dumped.xml ;;
		*)	    atf_check -o not-match:"sesame77" \
			    cat dumped.xml ;;
		esac
		case $form in
		*inactive*|*migratable*)
			atf_check -o not-match:"<alias|tty=|/dev/pts" \
			    cat dumped.xml ;;
		*)
			atf_check -o match:"<domain type='qemu' id='$id'>" \
			    -o match:"<alias name='serial0'/>" \
			    cat dumped.xml ;;
		esac
	done
	# the password is nowhere else
	for pid in $(pgrep -f "uuid $(./v domuuid look)"); do
		atf_check -o not-match:"sesame77" tr '\0' ' ' \
		    <"/proc/$pid/cmdline"
	done

	# what is said of the live domain and of its definition are two things
	atf_check -o ignore ./v desc look --live --title "live one"
	atf_check -o ignore ./v desc look --config --title "defined one"
	atf_check -o inline:"live one\n" ./v desc look --title
	atf_check -o inline:"defined one\n" ./v desc look --title --config
	atf_check -o ignore ./v metadata look http://example.org/y --key y \
	    --set "<both/>" --live --config
	atf_check -o match:"<both/>" ./v metadata look http://example.org/y \
	    --live
	atf_check -o match:"<both/>" ./v metadata look http://example.org/y \
	    --config
	./v dumpxml look >dumped.xml
	schema domain dumped.xml

	# not while it runs
	refused "domain is already running|already active" start look
	refused "cannot rename active domain" domrename look look2

	# a display and a terminal end with their domain
	atf_check -o ignore ./v destroy look
	[ ! -c "$tty" ] || atf_fail "$tty is still there"
	refused "Domain is not running" vncdisplay look
	atf_check -o inline:"defined one\n" ./v desc look --title
	atf_check -o ignore ./v undefine look
}

# A real guest from start to end, and the events of it.
virsh_life() {
	guest_xml web1 >web1.xml
	atf_check -o ignore ./v define web1.xml
	client events_of stdbuf -oL virsh -c "'$FULL'" event --all --loop
	events_start web1

	atf_check -o inline:"Domain 'web1' started\n\n" ./v start --paused web1
	atf_check -o inline:"paused (user)\n\n" ./v domstate web1 --reason
	events web1 "Started Booted" "Suspended Paused"
	atf_check -o inline:"Domain 'web1' resumed\n\n" ./v resume web1
	atf_check -o inline:"running (unpaused)\n\n" ./v domstate web1 --reason
	events web1 "Resumed Unpaused"
	atf_check -o inline:"Domain 'web1' suspended\n\n" ./v suspend web1
	atf_check -o inline:"paused (user)\n\n" ./v domstate web1 --reason
	events web1 "Suspended Paused"
	atf_check -o ignore ./v suspend web1
	atf_check -o ignore ./v resume web1
	events web1 "Resumed Unpaused"
	refused "domain is already running" resume web1
	id=$(./v domid web1)

	# asked by the power button, and the hard way
	said web1 "test guest: up"
	atf_check -o inline:"Domain 'web1' is being rebooted\n\n" \
	    ./v reboot web1
	said web1 "test guest: power button"
	events web1 reboot
	said web1 "test guest: up" 2
	atf_check -o match:"^running" ./v domstate web1
	atf_check -o inline:"Domain 'web1' was reset\n\n" ./v reset web1
	events web1 reboot
	said web1 "test guest: up" 3
	atf_check -o inline:"$id\n\n" ./v domid web1
	refused "by ACPI only" shutdown web1 --mode agent
	atf_check -o inline:"Domain 'web1' is being shutdown\n\n" \
	    ./v shutdown web1 --mode acpi
	events web1 "Shutdown Finished after guest request" "Stopped Shutdown"
	await state web1 "shut off (shutdown)" --reason
	refused "domain is not running" shutdown web1

	# ended from outside
	atf_check -o ignore ./v start web1
	events web1 "Resumed Unpaused" "Started Booted"
	atf_check -o inline:"Domain 'web1' destroyed\n\n" \
	    ./v destroy --graceful web1
	events web1 "Shutdown Finished after host request" "Stopped Destroyed"
	atf_check -o inline:"shut off (destroyed)\n\n" \
	    ./v domstate web1 --reason

	# a transient one, undefined last
	tiny_xml web2 >web2.xml
	atf_check -o ignore ./v create web2.xml
	events web2 "Resumed Unpaused" "Started Booted"
	atf_check -o ignore ./v destroy web2
	events web2 "Shutdown Finished after host request" \
	    "Stopped Destroyed" "Undefined Removed"

	# of definitions
	atf_check -o ignore ./v define web2.xml
	events web2 "Defined Added"
	./v dumpxml web2 >web2.same
	atf_check -o ignore ./v define web2.same
	events web2 "Defined Updated"
	atf_check -o ignore ./v domrename web2 web3
	events web2 "Undefined Renamed"
	events web3 "Defined Renamed"
	atf_check -o ignore ./v undefine web3
	events web3 "Undefined Removed"
	clients_stop

	# one event of one domain, then it ends
	./v event web1 lifecycle >one &
	pid=$!
	wait_until one_more
	wait $pid || atf_fail "virsh event failed"
	atf_check -o match:"^event 'lifecycle' for domain 'web1': Started" \
	    -o match:"^events received: 1$" cat one
	atf_check -o match:"^lifecycle$" -o match:"^reboot$" \
	    ./v event --list
	atf_check -s exit:1 -o match:"^event loop timed out$" \
	    -o match:"^events received: 0$" ./v event web1 reboot --timeout 1
}

# Until the one who waits has seen it.
one_more() {
	./v start --paused web1
	grep -q received one && return
	./v destroy web1
	return 1
}

# A terminal on the serial line.
virsh_console() {
	guest_xml web1 >web1.xml
	client on_tty /usr/bin/python3 "$SRCDIR/tests/python/on_tty.py"
	# from the first byte on
	atf_check -o match:"Connected to domain 'web1'" \
	    -o match:"Escape character is" \
	    -o match:"qemud test guest: up" -o match:"answer 42" \
	    ./on_tty "test guest: up" "" "guest# " "echo answer \$((40 + 2))
" "answer 42" "$(printf '\035')" -- \
	    virsh -c "$FULL" create web1.xml --console
	# attached later, by name
	atf_check -o match:"answer 12" ./on_tty "Escape" "
" "guest# " "echo answer \$((4 * 3))
" "answer 12" "$(printf '\035')" -- \
	    virsh -c "$FULL" console web1 --devname serial0
	atf_check -s exit:1 -o match:"no console called 'serial7'" \
	    ./on_tty -- virsh -c "$FULL" console web1 serial7

	# one at a time, unless by force
	./on_tty "Escape" "
" "guest# " "" "taken" "" -- virsh -c "$FULL" console web1 >first 2>&1 &
	pid=$!
	wait_until grep -q "guest# " first
	atf_check -s exit:1 -o ignore -e ignore ./on_tty -- \
	    virsh -c "$FULL" console web1
	atf_check -o match:"Escape" ./on_tty "Escape" "
" "guest# " "$(printf '\035')" -- virsh -c "$FULL" console web1 --force
	wait $pid && atf_fail "the first one was not told: $(cat first)"
	atf_check -o ignore ./v destroy web1
	refused "failed to get domain" console web1
}
