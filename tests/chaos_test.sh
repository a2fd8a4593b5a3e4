# Processes of the suite that are killed while a guest runs and clients are
# connected: the guest does not notice, the process comes back, and whoever
# connects again sees the guest as it is.

. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/virsh.sh"

CHILDREN='qemud
monitord
netd full
netd ro
netd launch'

# a_case NAME DESCRIPTION: its body is NAME_body.
a_case() {
	atf_test_case "$1" cleanup
	eval "$1_head() {
		atf_set descr '$2'
		atf_set require.user root
		atf_set require.progs 'virsh qemu-system-x86_64 xmllint'
		atf_set timeout 600
	}
	$1_cleanup() {
		for _pid in \$(cat pids 2>/dev/null); do
			kill \$_pid 2>/dev/null
		done
		suite_stop
		session_end
	}"
}

# --- processes ---------------------------------------------------------------

parent() {
	cat "$SYS/pid" "$SES/pid" 2>/dev/null
}

child() {
	pgrep -P "$(parent)" -f "^$1([ :]|\$)"
}

another() {
	_is=$(child "$1") && [ "$_is" != "$2" ]
}

now() {
	echo $(($(date +%s%N) / 1000000))
}

# Kills each of these children, all at once, and waits until they are back.
kill_children() {
	_pids=
	for _c; do
		_pid=$(child "$_c") || atf_fail "no $_c"
		_pids="$_pids $_pid"
	done
	_at=$(now)
	# shellcheck disable=SC2086
	kill -KILL $_pids
	for _c; do
		_pid=${_pids# }
		_pids=${_pid#"${_pid%% *}"}
		wait_until another "$_c" "${_pid%% *}" ||
		    atf_fail "$_c does not come back"
	done
	echo "$*: back after $(($(now) - _at)) ms"
}

# A parent again, with the same configuration.
run_again() {
	if [ ! -f "$SES/user" ]; then
		suite_system_run
		return
	fi
	(_exec=exec
	as_user "exec $BUILDDIR/sbin/qemud-parent -S -d -vv \
	    >>$SES/log.txt 2>&1") &
	echo $! >"$SES/pid"
	wait_until ./v uri
}

gone() {
	for _pid; do
		[ ! -e "/proc/$_pid/exe" ] || return 1
	done
}

# The parent, by this signal; its children end with it.
kill_parent() {
	_pids=
	echo "$CHILDREN" >children
	while read -r _c; do
		_pids="$_pids $(child "$_c")"
	done <children
	kill "-$1" "$(parent)"
	wait "$(parent)" 2>/dev/null
	# shellcheck disable=SC2086
	[ "$2" = at-once ] || wait_until gone $_pids ||
	    atf_fail "children outlive their parent"
}

# --- the guest ---------------------------------------------------------------

# Of a status file: launcher, qemu, id.
status_of() {
	sed -n "s/^$2 //p" "$SYS/run/guests/$1.status" \
	    "$SES/run/qemud/guests/$1.status" 2>/dev/null
}

born() {
	cut -d ' ' -f 22 "/proc/$1/stat"
}

# A guest that has booted; what must stay as it is, is remembered.
boot() {
	guest_xml web "<graphics type='vnc' port='-1'/>" >web.xml
	atf_check -o ignore ./v define web.xml
	./v start web || atf_fail "the guest does not start"
	said web "qemud test guest: up"
	client typed /usr/bin/python3 "$SRCDIR/tests/python/typed.py" \
	    "'$FULL'" web
	remember
}

remember() {
	qemu=$(status_of web qemu)
	launcher=$(status_of web launcher)
	born=$(born "$qemu")
	id=$(./v domid web)
	tty=$(./v ttyconsole web)
	vnc=$(./v vncdisplay web)
	./v dumpxml web >was.xml
	[ -n "$qemu" ] && [ -n "$launcher" ] && [ -n "$id" ] &&
	    [ -n "$tty" ] && [ -n "$vnc" ] || atf_fail "not all is known"
}

reachable() {
	./v uri && ./vr uri
}

# whole STATE [no-monitor]: clients see it as it is, and it is as it was.
whole() {
	_at=$(now)
	wait_until reachable || atf_fail "nobody can connect"
	atf_check -o inline:"$1\n\n" ./v domstate web
	atf_check -o inline:"$1\n\n" ./vr domstate web
	echo "seen as $1 after $(($(now) - _at)) ms"
	atf_check -o inline:"$id\n\n" ./v domid web
	atf_check -o inline:"$id\n\n" ./vr domid web
	atf_check -o inline:"$tty\n\n" ./v ttyconsole web
	atf_check -o inline:"$vnc\n\n" ./v vncdisplay web
	atf_check -o file:was.xml ./v dumpxml web
	atf_check_equal "$born" "$(born "$qemu")"
	[ "$2" != no-monitor ] || return 0
	atf_check -o match:'^RFB' /usr/bin/python3 \
	    "$SRCDIR/tests/python/vnc.py" $((5900 + ${vnc##*:}))
	[ "$1" != running ] || alive
}

# It does what is typed on its console, also on the terminal itself.
alive() {
	_word=$(now)
	./typed "echo a''b$_word" "ab$_word" || atf_fail "no console"
}

suspended() {
	wait_until ./v suspend web || atf_fail "cannot be suspended"
	atf_check -o inline:"paused\n\n" ./v domstate web
}

resumed() {
	wait_until ./v resume web || atf_fail "cannot be resumed"
	atf_check -o inline:"running\n\n" ./v domstate web
	alive
}

# By its power button; nothing is left of it.
shut_down() {
	atf_check -o ignore ./v shutdown web
	wait_until ./v_is web "shut off (shutdown)" ||
	    atf_fail "it is $(./v domstate --reason web)"
	wait_until gone "$qemu" "$launcher" || atf_fail "something is left"
	atf_check test ! -e "$SYS/run/guests/web.status"
}

# For wait_until: the state with its reason.
is_client() {
	cat >v_is <<-\EOF_IS
	#! /bin/sh
	[ "$("${0%/*}/v" domstate --reason "$1")" = "$2" ]
	EOF_IS
	chmod 755 v_is
}

system() {
	suite_system "$@"
	clients
	is_client
}

# --- clients that stay connected ----------------------------------------------

connect() {
	mkfifo ask
	client connected /usr/bin/python3 \
	    "$SRCDIR/tests/python/connected.py" "'$FULL'" "'$RO'"
	./connected <ask >told &
	echo $! >>pids
	exec 5>ask
	wait_until grep -q connected told
}

told() {
	[ "$(wc -l <told)" -gt "$1" ]
}

# connected "ok gone": how the full and the read-only connection are
connected() {
	_lines=$(wc -l <told)
	echo >&5
	wait_until told "$_lines"
	atf_check_equal "$1" "$(tail -n 1 told)"
}

disconnect() {
	exec 5>&-
	wait_until gone "$(tail -n 1 pids)"
	rm -f ask told
}

# --- cases --------------------------------------------------------------------

# The whole round, for either kind of instance.
each_child() {
	connect
	for state in running paused; do
		[ "$state" = running ] || suspended
		echo "$CHILDREN" >children
		while read -r c; do
			connected "ok ok"
			kill_children "$c"
			case $c in
			qemud)		connected "gone gone" ;;
			"netd full")	connected "gone ok"
					# what was written before is shown
					[ "$state" = paused ] ||
					    said web "ab$_word" ;;
			"netd ro")	connected "ok gone" ;;
			*)		connected "ok ok" ;;
			esac
			whole "$state"
			disconnect
			connect
		done <children
	done
	disconnect
	resumed
	# as often as it gets, they may still end again
	suspended
	resumed
}

a_case system_children "Each child in turn, the guest running and paused"
system_children_body() {
	system
	boot
	each_child
	shut_down
}

a_case session_children "The same in a session, and its parent"
session_children_body() {
	session
	clients
	is_client
	boot
	each_child
	kill_parent KILL
	whole_again running
	shut_down
}

whole_again() {
	run_again
	whole "$1"
}

a_case system_parent "The parent, by kill -9 and in order"
system_parent_body() {
	system
	boot
	kill_parent KILL
	# nobody is there, and the guest runs
	atf_check test -e "/proc/$qemu/exe"
	whole_again running
	suspended
	kill_parent KILL
	whole_again paused
	kill_parent TERM
	whole_again paused
	resumed
	# started again before its children have noticed
	kill_parent KILL at-once
	whole_again running
	kill_children qemud
	whole running
	shut_down
}

a_case system_pairs "Two children at once, and all of them"
system_pairs_body() {
	system
	boot
	echo "$CHILDREN" >children
	while read -r one; do
		sed "1,/^$one\$/d" children >others
		while read -r two; do
			kill_children "$one" "$two"
			whole running
		done <others
	done <children
	kill_children qemud monitord "netd full" "netd ro" "netd launch"
	whole running
	suspended
	resumed
	shut_down
}

a_case system_launcher "The launcher, and then others"
system_launcher_body() {
	system
	boot
	# the guest runs, and its monitor and console can be used
	kill -KILL "$launcher"
	wait_until grep -q 'guest web: its launcher has ended' "$SYS/log.txt"
	whole running
	suspended
	resumed
	atf_check -o ignore ./v destroy web
	wait_until gone "$qemu"
	atf_check ./v_is web "shut off (destroyed)"

	# without it, and then without monitord, nobody can talk to the guest
	./v start web || atf_fail "it does not start again"
	said web "qemud test guest: up"
	remember
	kill -KILL "$launcher"
	wait_until gone "$launcher"
	kill_children monitord
	whole running no-monitor
	atf_check -s exit:1 -o ignore -e match:'monitor is lost' ./v suspend web
	# nor after a restart, but it is known
	kill_children qemud
	whole running no-monitor
	kill_parent KILL
	run_again
	whole running no-monitor
	# its end is noticed
	kill -KILL "$qemu"
	wait_until ./v_is web "shut off (crashed)" ||
	    atf_fail "it is $(./v domstate --reason web)"

	# and it can be ended
	./v start web || atf_fail "it does not start again"
	remember
	kill -KILL "$launcher"
	wait_until gone "$launcher"
	kill_children monitord qemud
	whole running no-monitor
	atf_check -o ignore ./v destroy web
	wait_until gone "$qemu"
	atf_check ./v_is web "shut off (destroyed)"
	atf_check -o ignore ./v start web
	atf_check -o ignore ./v destroy web
}

a_case system_qemu "QEMU itself"
system_qemu_body() {
	system
	./v define /dev/stdin <<-EOF_XML >/dev/null || atf_fail "define"
	$(tiny_xml web)
	EOF_XML
	# as its launcher sees it
	atf_check -o ignore ./v start web
	kill -KILL "$(status_of web qemu)"
	wait_until ./v_is web "shut off (crashed)"
	# together with its launcher
	atf_check -o ignore ./v start web
	kill -KILL "$(status_of web qemu)" "$(status_of web launcher)"
	wait_until ./v_is web "shut off (crashed)"
	# while nobody looks
	atf_check -o ignore ./v start web
	qemu=$(status_of web qemu)
	kill_parent KILL
	kill -KILL "$qemu"
	run_again
	wait_until ./v_is web "shut off (crashed)"
	# a transient one is then no more
	tiny_xml other >other.xml
	atf_check -o ignore ./v create other.xml
	kill -KILL "$(status_of other qemu)"
	wait_until no_domain other
	atf_check -o ignore ./v create other.xml
	launcher=$(status_of other launcher)
	kill_parent KILL
	kill -KILL "$(status_of other qemu)" "$launcher"
	run_again
	wait_until no_domain other
	atf_check -o empty find "$SYS/run/guests" -name 'other*'
}

no_domain() {
	! ./v domstate "$1"
}

# Processes of guests.
guests_left() {
	ps -eo uid=,stat=,comm= | awk -v f="$(cat "$SYS/uid")" \
	    '$1 >= f && $1 < f + 64 && $2 !~ /^Z/'
}

nothing_left() {
	[ -z "$(guests_left)" ]
}

settled() {
	case $(./v domstate web) in
	running|"shut off")	./v domcontrol web | grep -q '^ok' ||
				    [ "$(./v domstate web)" = "shut off" ] ;;
	*)			return 1 ;;
	esac
}

# during PAUSE WHO: kills WHO so long after a start was asked for.
during() {
	./v start web >started 2>&1 &
	_start=$!
	sleep "$1"
	case $2 in
	launcher)	for _pid in $(pgrep -x qemud-launch -u \
			    "$(seq -s, "$UID1" $((UID1 + 63)))"); do
				kill -KILL "$_pid"
			done ;;
	parent)		kill_parent KILL at-once
			run_again ;;
	*)		kill_children "$2" ;;
	esac
	wait "$_start"
	wait_until settled || atf_fail "$2 after $1 s: $(./v domstate web)"
	_state=$(./v domstate web)
	echo "$2 after $1 s: $_state; $(tail -n 1 started)"
	if [ "$_state" = running ]; then
		# one, and it can be used
		atf_check_equal 1 "$(guests_left | grep -c qemu-system)"
		wait_until ./v destroy web || atf_fail "cannot be destroyed"
	fi
	wait_until nothing_left || atf_fail "$2 after $1 s: $(guests_left)"
	atf_check -o empty find "$SYS/run/guests" -name 'web.*'
	# and it starts as if nothing had been
	atf_check -o ignore -e ignore ./v start web
	atf_check -o ignore ./v destroy web
	wait_until nothing_left
}

a_case system_starts "Whoever is killed while a guest starts"
system_starts_body() {
	system
	UID1=$(cat "$SYS/uid")
	tiny_xml web "<serial type='pty'/>" >web.xml
	atf_check -o ignore ./v define web.xml
	# QEMU has told its version by then
	wait_until ./vr version
	wait_until nothing_left
	for pause in 0.02 0.03 0.04 0.05 0.06 0.08 0.11 0.2; do
		during $pause qemud
		during $pause monitord
		during $pause "netd launch"
		during $pause launcher
	done
	for pause in 0.03 0.06 0.15; do
		during $pause parent
	done
}

a_case descriptors "A launcher whose descriptors are not what it says"
descriptors_body() {
	system
	boot
	echo "$CHILDREN" >children
	while read -r c; do
		child "$c"
	done <children >before
	mkfifo wait
	/usr/bin/python3 "$SRCDIR/tests/python/odd_launcher.py" \
	    "$SYS/run/launch" <wait >odd 2>&1 &
	odd=$!
	echo $odd >>pids
	exec 5>wait
	wait_until grep -q '^done' odd || {
		cat odd
		atf_fail "not all were answered"
	}
	# nothing that it says reaches a terminal or XML as it is
	atf_check test "$(./v list --name | grep -c odd)" -gt 10
	for n in $(./v list --name | grep odd); do
		./v ttyconsole "$n" | grep -q '[[:cntrl:]]' &&
		    atf_fail "$n: control characters"
		./v dumpxml "$n" >odd.xml || atf_fail "no XML of $n"
		atf_check xmllint --noout odd.xml
	done
	exec 5>&-
	wait $odd
	# its guests have ended with it, and nobody else has
	wait_until nobody_odd || ./v list --all
	while read -r c; do
		child "$c"
	done <children >after
	atf_check -o file:before cat after
	whole running
	shut_down
}

nobody_odd() {
	[ "$(./v list --all --name | xargs)" = web ]
}

a_case definitions "What was defined is there, however qemud ends"
definitions_body() {
	system
	/usr/bin/python3 "$SRCDIR/tests/python/defines.py" "$FULL" enough \
	    >answers &
	defines=$!
	echo $defines >>pids
	for n in 1 2 3 4 5 6 7; do
		_from=$(wc -l <answers)
		wait_until more_answers $((_from + 20 + n * 7)) || break
		kill_children qemud
	done
	touch enough
	wait $defines || atf_fail "the client has given up"
	kill_children qemud
	wait_until reachable
	awk '{ is[$2] = $1 } END { for (d in is) if (is[d] == "defined")
	    print d }' answers | sort >want
	atf_check -o file:want sh -c './v list --all --name | sed "/^$/d" |
	    sort'
	for d in $(cat want); do
		echo "$d.xml"
	done | sort >files
	atf_check -o file:files sh -c "ls -A '$SYS/etc' | grep -v autostart |
	    LC_ALL=$LC_ALL sort"
	atf_check_equal 0 "$(grep -c 'is skipped' "$SYS/log.txt")"
}

more_answers() {
	[ "$(wc -l <answers)" -ge "$1" ]
}

atf_init_test_cases() {
	atf_add_test_case system_children
	atf_add_test_case session_children
	atf_add_test_case system_parent
	atf_add_test_case system_pairs
	atf_add_test_case system_launcher
	atf_add_test_case system_qemu
	atf_add_test_case system_starts
	atf_add_test_case descriptors
	atf_add_test_case definitions
}
