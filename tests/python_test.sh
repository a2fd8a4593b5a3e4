# Programs on python3-libvirt.

. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/virsh.sh"

# python SCRIPT ARGUMENT ...
python() {
	script=$1
	shift
	client python /usr/bin/python3 -B "$SRCDIR/tests/python/$script"
	atf_check ./python "$@"
}

a_case() {
	atf_test_case "$1" cleanup
	eval "$1_head() {
		atf_set descr '$2'
		atf_set require.user root
		atf_set require.progs 'virsh qemu-system-x86_64 /usr/bin/python3 useradd'
	}
	$1_cleanup() {
		suite_stop
		session_end
	}"
}

a_case errors "Errors, by the numbers that clients know"
errors_body() {
	mkdir emulators
	cat >emulators/qemu-system-dies <<-'EOF2'
		#! /bin/sh
		i=0
		while [ $i -lt 5000 ]; do
			echo "line $i: it is cold"
			i=$((i + 1))
		done >&2
		echo "and dark" >&2
		exit 3
	EOF2
	cat >emulators/qemu-system-mute <<-'EOF2'
		#! /bin/sh
		kill -SEGV $$
	EOF2
	cat >emulators/qemu-system-hangs <<-'EOF2'
		#! /bin/sh
		exec sleep 600
	EOF2
	chmod -R 755 emulators
	suite_system "emulators { \"$PWD/emulators/*\" }" "start timeout 6"
	python errors.py "$FULL" "$PWD/emulators" "$SYS/img"
	# neither a launcher nor what it ran is left
	wait_until none_left || atf_fail "$(ps -eo uid,pid,args |
	    awk -v f="$(cat "$SYS/uid")" '$1 >= f && $1 < f + 64')"
}

none_left() {
	! ps -eo uid=,stat= | awk -v f="$(cat "$SYS/uid")" '
	    $1 >= f && $1 < f + 64 && $2 !~ /^Z/' | grep .
}

a_case calls "What clients ask, from connecting to undefining"
calls_body() {
	suite_system
	python calls.py "$FULL"
}

a_case events "Events, through the event loop"
events_body() {
	suite_system
	python events.py "$FULL" "$RO"
}

a_case calls_session "The same, from a session instance"
calls_session_body() {
	session
	clients
	python calls.py "$FULL"
}

a_case events_session "The same, from a session instance"
events_session_body() {
	session
	clients
	python events.py "$FULL" "$RO"
}

a_case connections "Many connections at once, and many after another"
connections_body() {
	suite_system
	python connections.py "$FULL" "$RO" 100
}

a_case crowd "Many clients, and all want the same domains"
crowd_body() {
	suite_system
	python crowd.py "$FULL" 400
	atf_check -s exit:1 grep "qemud-parent: .*: ended" "$SYS/log.txt"
	wait_until none_left || atf_fail "something of a guest is left"
}

a_case close "Clients are told when the daemon dies"
close_body() {
	suite_system
	for who in qemud "netd full" parent; do
		rm -f ready
		timeout 100 /usr/bin/python3 -B \
		    "$SRCDIR/tests/python/close.py" "$FULL" ready &
		pid=$!
		wait_until test -e ready
		case $who in
		parent)	kill -KILL "$(cat "$SYS/pid")" ;;
		*)	kill -KILL "$(suite_child "$who")" ;;
		esac
		wait $pid || atf_fail "$who: clients were not told"
		[ "$who" = parent ] || wait_until virsh -c "$FULL" uri ||
		    atf_fail "$who did not come back"
	done
	suite_system_run
}

a_case keepalive "Keepalive: quiet clients stay, a silent daemon is noticed"
keepalive_body() {
	suite_system
	timeout 100 /usr/bin/python3 -B "$SRCDIR/tests/python/close.py" \
	    "$FULL" ready silent &
	pid=$!
	wait_until test -e ready
	netd=$(suite_child "netd full")
	kill -STOP "$netd"
	wait $pid || atf_fail "clients did not notice"
	kill -CONT "$netd"
	wait_until virsh -c "$FULL" uri || atf_fail "it did not go on"
}

atf_init_test_cases() {
	atf_add_test_case errors
	atf_add_test_case calls
	atf_add_test_case events
	atf_add_test_case calls_session
	atf_add_test_case events_session
	atf_add_test_case connections
	atf_add_test_case crowd
	atf_add_test_case close
	atf_add_test_case keepalive
}
